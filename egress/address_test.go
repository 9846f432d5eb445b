package egress

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // address: a word of the reason, "" when permitted
		"8.8.8.8": "", "1.1.1.1": "", "11.0.0.0": "", "9.255.255.255": "", "172.15.255.255": "", "172.32.0.0": "",
		"100.63.255.255": "", "100.128.0.0": "", "192.167.255.255": "", "192.169.0.0": "", "223.255.255.255": "",
		"198.17.255.255": "", "198.20.0.0": "", "2606:4700:4700::1111": "", "2400:cb00::1": "", "2001:200::1": "",
		"2001:4860:4860::8888": "", "2003::1": "", "3ffe::1": "", "2620:4f:8000::1": "",

		"0.0.0.0": "this network", "0.1.2.3": "this network", "10.0.0.0": "private", "10.255.255.255": "private",
		"100.64.0.0": "CGNAT", "100.127.255.255": "CGNAT", "127.0.0.1": "loopback", "127.255.255.254": "loopback",
		"169.254.169.254": "link-local", "172.16.0.0": "private", "172.31.255.255": "private",
		"192.0.0.8": "protocol", "192.0.2.1": "documentation", "192.88.99.1": "6to4", "192.168.0.1": "private",
		"198.18.0.1": "benchmarking", "198.19.255.255": "benchmarking", "198.51.100.7": "documentation",
		"203.0.113.9": "documentation", "224.0.0.1": "multicast", "239.255.255.250": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "broadcast",

		"::": "unspecified", "::1": "loopback", "::2": "compatible", "::127.0.0.1": "compatible", "::8.8.8.8": "compatible",
		"::ffff:127.0.0.1": "mapped", "::ffff:7f00:1": "mapped", "::ffff:8.8.8.8": "mapped", "::ffff:0:127.0.0.1": "translated",
		"64:ff9b::7f00:1": "NAT64", "64:ff9b::8.8.8.8": "NAT64", "64:ff9b:1::7f00:1": "NAT64",
		"100::1": "no global", "4000::1": "no global", "5f00::1": "no global", "2001::1": "Teredo",
		"2001:0:7f00:1::": "Teredo", "2001:2::1": "protocol", "2001:20::1": "protocol", "2001:db8::1": "documentation",
		"2002:7f00:1::": "6to4", "2002:a00:1::1": "6to4", "3fff::1": "documentation",
		"fc00::1": "unique local", "fd00:ec2::254": "unique local", "fe80::1": "link-local", "fe80::1%eth0": "link-local",
		"::1%lo": "loopback", "febf::1": "link-local", "fec0::1": "site-local", "ff02::1": "multicast", "ffff::1": "multicast",
	}
	for text, reason := range tests {
		err := Guard{}.Check(netip.MustParseAddr(text))
		switch {
		case reason == "" && err != nil:
			t.Errorf("%s: %v, want permitted", text, err)
		case reason != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), reason)):
			t.Errorf("%s: %v, want refused as %s", text, err, reason)
		}
	}
	if err := (Guard{}).Check(netip.Addr{}); !errors.Is(err, ErrRefused) {
		t.Errorf("no address: %v, want refused", err)
	}
}

func TestAllowPrivate(t *testing.T) {
	t.Parallel()
	g := Guard{AllowPrivate: []netip.Prefix{
		netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("fd12:3456::/32"), netip.MustParsePrefix("fe80::/64"),
		// What no configuration may permit:
		netip.MustParsePrefix("224.0.0.0/8"), netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("2002:a01:200::/40"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("4000::/32"),
	}}
	tests := map[string]bool{
		"10.1.2.0": true, "10.1.2.255": true, "127.0.0.1": true, "::1": true, "fd12:3456::9": true, "fe80::1%eth0": true,
		"10.1.3.0": false, "10.1.1.255": false, "fd12:3457::9": false, "192.168.0.1": false,
		"224.0.0.1": false, "0.0.0.0": false, "2002:a01:201::": false, "64:ff9b::a01:201": false, "4000::1": false,
		"::ffff:10.1.2.1": false, "::ffff:127.0.0.1": false,
	}
	for text, want := range tests {
		if err := g.Check(netip.MustParseAddr(text)); (err == nil) != want {
			t.Errorf("%s: %v, want permitted: %v", text, err, want)
		}
	}
}

// Property: whatever the standard library calls by a special name is refused,
// and so is every spelling of an IPv4 address as an IPv6 one.
func TestCheckAgainstNetip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v4 := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		v6 := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
		for _, addr := range []netip.Addr{v4, v6} {
			special := addr.IsPrivate() || addr.IsLoopback() || addr.IsMulticast() || addr.IsUnspecified() ||
				addr.IsLinkLocalUnicast() || addr.IsInterfaceLocalMulticast() || !addr.IsGlobalUnicast()
			if err := (Guard{}).Check(addr); special && err == nil {
				t.Fatalf("%v is permitted", addr)
			}
		}
		if err := (Guard{}).Check(netip.AddrFrom16(v4.As16())); !errors.Is(err, ErrRefused) {
			t.Fatalf("%v as IPv6: %v", v4, err)
		}
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Guard{
		AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00:1::/32")},
		Proxy:        &Proxy{Address: "10.0.0.1:3128", Hosts: []string{"sftp.example.org:22", "[2606:4700::1]:443"}},
	}
	if err := errors.Join(good.Validate(), Guard{}.Validate()); err != nil {
		t.Errorf("good configurations: %v", err)
	}
	bad := map[string]Guard{
		"everything":        {AllowPrivate: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		"everything IPv6":   {AllowPrivate: []netip.Prefix{netip.MustParsePrefix("::/0")}},
		"all unique local":  {AllowPrivate: []netip.Prefix{netip.MustParsePrefix("fc00::/7")}},
		"host bits":         {AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/24")}},
		"no prefix":         {AllowPrivate: []netip.Prefix{{}}},
		"mapped":            {AllowPrivate: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)}},
		"timeout":           {Timeout: -1},
		"proxy address":     {Proxy: &Proxy{Address: "proxy", Hosts: []string{"a.example:1"}}},
		"no hosts":          {Proxy: &Proxy{Address: "proxy:3128"}},
		"host without port": {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{"a.example"}}},
		"port 0":            {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{"a.example:0"}}},
		"wildcard":          {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{"*.example:443"}}},
		"line break":        {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{"a.example\r\nX:443"}}},
		"empty host":        {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{":443"}}},
		"colon in user":     {Proxy: &Proxy{Address: "proxy:3128", Hosts: []string{"a.example:1"}, User: "a:b"}},
	}
	for name, g := range bad {
		if err := g.Validate(); err == nil {
			t.Errorf("%s: Validate takes it", name)
		}
	}
}
