package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"

	"teikyo/dataset"
	"teikyo/delivery"
	"teikyo/delivery/sftp"
	"teikyo/egress"
	"teikyo/events"
	"teikyo/internal/buildinfo"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/dispatch"
	"teikyo/recipient"
)

// openEvents makes what tells others, and the durable queue that it runs on.
func (a *app) openEvents(ctx context.Context) error {
	a.feed = events.NewFeed(a.db)
	a.db.OnCommit(func(ledger.Head) { a.feed.Committed() })
	guard, err := a.guard()
	if err != nil {
		return err
	}
	roots, err := authorities("webhooks.ca_file", a.cfg.Webhooks.CAFile)
	if err != nil {
		return err
	}
	a.webhooks = &events.Webhooks{
		Store: a.db, KEK: a.kek, Client: guard.HTTPClient(&tls.Config{RootCAs: roots}), Now: a.clock.Now, Rand: a.rand,
		Recipient: func(ctx context.Context, id string) error {
			_, err := a.db.Recipient(ctx, id)
			return err
		},
		Agent: "teikyo/" + buildinfo.Version(), Failed: func(err error) { a.log.Error("webhooks", "error", err) },
	}
	workers := map[string]jobs.Worker{events.WebhookKind: a.webhooks, dataset.RecheckKind: a.datasets, jobs.DeliveryKind: a.openDeliveries(guard)}
	if err := a.openSyslog(ctx, guard, workers); err != nil {
		return err
	}
	queue := &jobs.Runner{
		Store: a.db, Workers: workers, Now: a.clock.Now, Name: hostName(),
		Failed: func(err error) { a.log.Error("queue", "error", err) },
	}
	a.webhooks.Queued, a.deliveries.Queued = queue.Wake, queue.Wake
	a.db.OnRevoke(queue.Wake)
	a.loops = append(a.loops, queue.Run, func(ctx context.Context) error { return a.webhooks.Run(ctx, a.feed) })
	return nil
}

// openDeliveries makes the desk of deliveries, and the ways that it sends by.
func (a *app) openDeliveries(guard egress.Guard) *dispatch.Desk {
	way := &sftp.Channel{Dial: guard.DialContext}
	a.recipients.Ways = map[models.DestinationType]recipient.Way{models.DestinationSFTP: way}
	a.deliveries = &dispatch.Desk{
		Store: a.db, KEK: a.kek, Channels: map[models.DestinationType]delivery.Channel{models.DestinationSFTP: way},
		Now: a.clock.Now, Rand: a.rand, Moved: a.metrics.delivered,
	}
	return a.deliveries
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "-"
	}
	return host
}

// openSyslog adds the worker that forwards to syslog, when that is configured.
func (a *app) openSyslog(ctx context.Context, guard egress.Guard, workers map[string]jobs.Worker) error {
	address, err := a.cfg.SyslogAddress()
	if err != nil || address == "" {
		return err
	}
	roots, err := authorities("syslog.ca_file", a.cfg.Syslog.CAFile)
	if err != nil {
		return err
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "syslog.url: "+err.Error())
	}
	config := &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
	if a.cfg.Syslog.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(a.cfg.Syslog.CertFile, a.cfg.Syslog.KeyFile)
		if err != nil {
			return models.Wrap(models.Invalid, nil, "syslog.cert_file and syslog.key_file cannot be used: "+err.Error())
		}
		config.Certificates = []tls.Certificate{pair}
	}
	a.syslog = &events.Syslog{
		Store: a.db, Feed: a.feed, Dial: guard.DialContext, Address: address, TLS: config, Host: hostName(), Now: a.clock.Now,
		Failed: func(err error) { a.log.Error("syslog", "error", err) },
	}
	workers[events.SyslogKind] = a.syslog
	return a.syslog.Start(ctx)
}

// guard is what everything that connects outwards goes through.
func (a *app) guard() (egress.Guard, error) {
	networks, err := a.cfg.PrivateTargets()
	if err != nil {
		return egress.Guard{}, models.Wrap(models.Invalid, nil, err.Error())
	}
	guard := egress.Guard{AllowPrivate: networks}
	if err := guard.Validate(); err != nil {
		return guard, models.Wrap(models.Invalid, nil, "egress.allow_private: "+err.Error())
	}
	return guard, nil
}

// authorities are those of the machine and those in a PEM file; nil without one.
func authorities(setting, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readFileLimited(file, 1<<20)
	if err != nil {
		return nil, models.Wrap(models.Invalid, nil, setting+" cannot be read: "+err.Error())
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, models.Errorf(models.Invalid, "%s: there is no certificate in %s", setting, file)
	}
	return pool, nil
}
