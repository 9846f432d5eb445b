package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// rule says why the addresses of a prefix are refused.
type rule struct {
	prefix netip.Prefix
	reason string
	always bool // not even AllowPrivate permits it
}

// rules are the prefixes that the IANA special-purpose address registries (RFC
// 6890 and successors) do not give out as global unicast. The first match
// decides. IPv6 outside 2000::/3 is refused anyway, by the last rule.
var rules = []rule{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network", true},
	{netip.MustParsePrefix("10.0.0.0/8"), "private", false},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by carriers (CGNAT)", false},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback", false},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local", false},
	{netip.MustParsePrefix("172.16.0.0/12"), "private", false},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments", false},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation", false},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay", true},
	{netip.MustParsePrefix("192.168.0.0/16"), "private", false},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking", false},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation", false},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation", false},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast", true},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast", true},

	{netip.MustParsePrefix("::/128"), "unspecified", true},
	{netip.MustParsePrefix("::1/128"), "loopback", false},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible", true},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped", true},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4-translated", true},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64", true},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64", true},
	{netip.MustParsePrefix("2001::/32"), "Teredo", true},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments", false},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation", false},
	{netip.MustParsePrefix("2002::/16"), "6to4", true},
	{netip.MustParsePrefix("3fff::/20"), "documentation", false},
	{netip.MustParsePrefix("fc00::/7"), "unique local", false},
	{netip.MustParsePrefix("fe80::/10"), "link-local", false},
	{netip.MustParsePrefix("fec0::/10"), "site-local", false},
	{netip.MustParsePrefix("ff00::/8"), "multicast", true},
}

// globalUnicast6 is all that is given out as global unicast (RFC 4291).
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// Check returns nil when addr may be connected to, else an error that wraps
// ErrRefused and says why.
func (g Guard) Check(addr netip.Addr) error {
	if !addr.IsValid() {
		return fmt.Errorf("%w: no address", ErrRefused)
	}
	reason, always := special(addr.WithZone(""))
	if reason == "" || !always && g.allows(addr) {
		return nil
	}
	return fmt.Errorf("%w: %v is %s", ErrRefused, addr, reason)
}

func (g Guard) allows(addr netip.Addr) bool {
	return slices.ContainsFunc(g.AllowPrivate, func(p netip.Prefix) bool {
		return p.Contains(addr.WithZone(""))
	})
}

// special returns why addr is no public unicast address, or "".
func special(addr netip.Addr) (reason string, always bool) {
	for _, r := range rules {
		if contains(r.prefix, addr) {
			return r.reason, r.always
		}
	}
	if addr.Is6() && !globalUnicast6.Contains(addr) {
		return "no global unicast address", true
	}
	return "", false
}

// contains is Prefix.Contains, which by itself never says yes to an IPv4-mapped
// address.
func contains(p netip.Prefix, addr netip.Addr) bool {
	if addr.Is4In6() && p.Addr().Is4In6() {
		return true
	}
	return p.Contains(addr)
}
