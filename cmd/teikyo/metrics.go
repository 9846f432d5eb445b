package main

import (
	"context"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"teikyo/internal/datadir"
	"teikyo/models"
)

// metrics are the numbers of the public server. Labels are route patterns,
// never paths, which may hold a secret.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sent     *prometheus.CounterVec
	uploaded prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teikyo_http_requests_total", Help: "Requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "teikyo_http_request_seconds", Help: "Time from the request's header to the end of the answer.",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3600},
		}, []string{"route"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "teikyo_http_sent_bytes_total", Help: "Bytes of answers, by route.",
		}, []string{"route"}),
		uploaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "teikyo_delivery_sent_bytes_total", Help: "Bytes that destinations of uploads acknowledged.",
		}),
	}
}

// delivered counts bytes of an upload.
func (m *metrics) delivered(n int64) { m.uploaded.Add(float64(n)) }

// observe counts one answered request.
func (m *metrics) observe(method, route string, status int, sent int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(knownMethod(method), route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	m.sent.WithLabelValues(route).Add(float64(max(sent, 0)))
}

// knownMethod keeps clients from making a new label with each request.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions:
		return method
	}
	return "other"
}

// metricsHandler is the admin listener: metrics and profiles.
func (a *app) metricsHandler() (http.Handler, error) {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		a.metrics.requests, a.metrics.seconds, a.metrics.sent, a.metrics.uploaded, deliveryStates{a},
		gauge("teikyo_ledger_entries", "Entries in the ledger.", a.ledgerSize),
		gauge("teikyo_syslog_behind_entries", "Ledger entries that the syslog server has not confirmed.",
			func() float64 { return float64(a.syslog.Behind()) }),
		gauge("teikyo_second_place_lag_seconds", "How long the oldest entry has waited for the second place.",
			func() float64 { return a.publisher.Lag().Seconds() }),
		gauge("teikyo_data_free_bytes", "Free space on the disk of the data folder.", func() float64 {
			free, _ := datadir.FreeSpace(a.folder.Root())
			return float64(free)
		}),
		gauge("teikyo_ready", "1 when /readyz answers 200.", func() float64 {
			if a.Ready(context.Background()).Ready {
				return 1
			}
			return 0
		}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, models.Wrap(models.Internal, err, "the metrics cannot be set up")
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux, nil
}

// deliveryStates counts deliveries when it is asked.
type deliveryStates struct{ a *app }

var deliveriesDesc = prometheus.NewDesc("teikyo_deliveries", "Deliveries, by state.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (deliveryStates) Describe(to chan<- *prometheus.Desc) { to <- deliveriesDesc }

// Collect implements prometheus.Collector.
func (d deliveryStates) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	counts, err := d.a.db.DeliveryCounts(ctx)
	if err != nil {
		return
	}
	for _, state := range models.DeliveryStates() {
		to <- prometheus.MustNewConstMetric(deliveriesDesc, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}

func (a *app) ledgerSize() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	head, err := a.db.Head(ctx)
	if err != nil {
		return -1
	}
	return float64(head.Size)
}
