package events

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Numbers of RFC 5424, 6.2.1: facility 13 is the log audit.
const (
	facilityAudit  = 13
	severityNotice = 5
	severityInfo   = 6
)

// structuredID names our structured data; 32473 is the enterprise number that
// RFC 5612 sets aside for those without one.
const structuredID = "teikyo@32473"

// noticeKinds are the entries that somebody should look at.
var noticeKinds = []string{"entry.redacted", "restored", "kek.rotated", "issuer.rotated", "config.changed", "recalled", "user.changed"}

// syslogTime is TIMESTAMP of RFC 5424 in UTC.
const syslogTime = "2006-01-02T15:04:05.000Z"

// appendFrame adds an event as a frame of RFC 5425: the length in bytes, a space,
// and a message of RFC 5424.
func appendFrame(frames []byte, e Event, host string) []byte {
	message := syslogMessage(e, host)
	frames = strconv.AppendInt(frames, int64(len(message)), 10)
	frames = append(frames, ' ')
	return append(frames, message...)
}

// syslogMessage is HEADER SP STRUCTURED-DATA SP MSG, all of it ASCII: ids hold
// nothing else.
func syslogMessage(e Event, host string) string {
	severity := severityInfo
	if slices.Contains(noticeKinds, string(e.Kind)) {
		severity = severityNotice
	}
	var b strings.Builder
	b.WriteString("<" + strconv.Itoa(facilityAudit*8+severity) + ">1 ")
	b.WriteString(e.Time.UTC().Format(syslogTime) + " " + headerField(host, 255) + " teikyo - " + headerField(string(e.Kind), 32))
	b.WriteString(" [" + structuredID + ` index="` + strconv.FormatInt(e.Index, 10) + `"`)
	for _, noun := range slices.Sorted(maps.Keys(e.IDs)) {
		b.WriteString(" " + headerField(noun, 32) + `="` + paramValue.Replace(e.IDs[noun]) + `"`)
	}
	b.WriteString("] entry " + strconv.FormatInt(e.Index, 10) + ": " + string(e.Kind))
	return b.String()
}

// paramValue escapes what RFC 5424, 6.3.3 wants escaped.
var paramValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// headerField keeps what a field of the header may hold: printable ASCII without
// what ends a name of structured data, of limited length; "-" when nothing is
// left.
func headerField(text string, limit int) string {
	kept := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`="]`, r) {
			return -1
		}
		return r
	}, text)
	if kept == "" {
		return "-"
	}
	return kept[:min(len(kept), limit)]
}

// SyslogJob is the one job that forwards to syslog: its lease makes one node do
// it, and another one when that node dies.
const SyslogJob = "j-syslog"

// SyslogKind is the kind of that job.
const SyslogKind = "syslog"

// Times and sizes of forwarding.
const (
	syslogTimeout  = 30 * time.Second // for one write, and for the receiver to close
	syslogLinger   = time.Second      // more that comes within it goes by the same connection
	maxBurst       = 1000             // events on one connection
	shortestRetry  = time.Second
	longestRetry   = time.Minute
	syslogCursor   = "syslog"
	syslogRetryLog = 10 // every so many failures one line in the log
)
