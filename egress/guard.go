// Package egress is the one way out: every connection to a host that a user
// named goes through a Guard, which looks at the address that is really dialled,
// after name resolution, and refuses everything that is not a public unicast
// address. Targets in the own network, a proxy and a local address to bind come
// from the operator's configuration only.
package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrRefused means that the guard does not let a connection out. Errors that
// wrap it name the address and the reason.
var ErrRefused = errors.New("egress: connection refused by policy")

// defaultTimeout bounds the making of one connection.
const defaultTimeout = 30 * time.Second

// Guard says which connections may leave. The zero value permits public
// addresses only.
type Guard struct {
	// AllowPrivate lists networks that are permitted although they are not
	// public: partners in the own network, or loopback in tests. Multicast,
	// unspecified and IPv6 transition addresses stay refused.
	AllowPrivate []netip.Prefix
	// Bind is the local address of outgoing connections; zero lets the system
	// choose.
	Bind netip.Addr
	// Proxy, when set, carries the connections to the hosts that it lists.
	Proxy *Proxy
	// Timeout bounds the making of one connection, handshake with the proxy
	// included; zero means 30 seconds.
	Timeout time.Duration

	resolver *net.Resolver // tests put a lying one here
}

// Validate refuses a configuration that would switch the guard off or that
// cannot work.
func (g Guard) Validate() error {
	for _, p := range g.AllowPrivate {
		if !p.IsValid() || p.Masked() != p {
			return fmt.Errorf("egress: %v is not a network: write it like 10.1.2.0/24", p)
		}
		if p.Addr().Is4In6() || p.Bits() < minBits(p.Addr()) {
			return fmt.Errorf("egress: network %v is too wide: allow the partners' own networks, at most /8 (IPv4) or /32 (IPv6)", p)
		}
	}
	if g.Timeout < 0 {
		return fmt.Errorf("egress: negative timeout %v", g.Timeout)
	}
	if g.Proxy != nil {
		return g.Proxy.validate()
	}
	return nil
}

// minBits is the widest prefix that may be allowed: fc00::/7 or 0.0.0.0/0 as a
// whole would be no list of partners.
func minBits(addr netip.Addr) int {
	if addr.Is4() {
		return 8
	}
	return 32
}

// Dialer returns a dialer that refuses what Check refuses. It knows nothing of
// the proxy: prefer DialContext where a function is enough.
func (g Guard) Dialer() *net.Dialer {
	d := g.plainDialer()
	d.Control = g.control
	return d
}

// plainDialer dials without looking; only the proxy of the configuration is
// dialled by it. The resolver is Go's own: the system's accepts spellings such
// as 0x7f.1 that no check of names would see.
func (g Guard) plainDialer() *net.Dialer {
	d := &net.Dialer{Timeout: g.timeout(), Resolver: g.resolver}
	if d.Resolver == nil {
		d.Resolver = &net.Resolver{PreferGo: true}
	}
	if g.Bind.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(g.Bind, 0))
	}
	return d
}

func (g Guard) timeout() time.Duration {
	if g.Timeout == 0 {
		return defaultTimeout
	}
	return g.Timeout
}

// control is called with the address that is about to be connected to.
func (g Guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %q", ErrRefused, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrRefused, err)
	}
	return g.Check(ap.Addr())
}
