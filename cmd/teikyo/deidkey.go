package main

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/rekey"
)

var deidKeyFields = []string{
	"id", "domain", "state", "exports", "created_by", "created_at", "destroyed_by", "destroyed_at", "reason",
}

func (c *cli) deidKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Keys of domains, under which identifiers are replaced", Args: noArgs, RunE: showHelp,
		Long: `Identifiers are replaced under the key of a named domain: a recipient, a project,
a release. In one domain a person keeps the same pseudonym through all releases;
between domains nothing can be matched. The server keeps the keys under its
key-encryption key. A key that is destroyed makes no pseudonym again, and cannot be
used to try who stands behind one.`,
	}
	cmd.AddCommand(c.deidKeyCreate(), c.listCommand("/api/v1/deid/keys", "List the domains that have a key, or had one", "domain", "state", "exports", "created_at", "destroyed_at"),
		c.deidKeyExport(), c.deidKeyDestroy())
	return cmd
}

func (c *cli) deidKeyCreate() *cobra.Command {
	var out, public string
	var offline bool
	cmd := &cobra.Command{
		Use: "create DOMAIN", Short: "Make the key of a new domain", Args: exactArgs("DOMAIN"),
		Long: `Make the key of a new domain, on the server. With --offline it is made without one
and stands in a file alone, sealed to an age key (teikyo keygen): keep copies, for
without it the domain's pseudonyms cannot be made again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !offline {
				return c.callAndShow(cmd, "POST", "/api/v1/deid/keys", map[string]string{"domain": args[0]}, deidKeyFields...)
			}
			if out == "" || public == "" {
				return usageError(cmd, "--offline needs --public-file and --output")
			}
			to, err := c.readPublicKey(public)
			if err != nil {
				return err
			}
			sealed, err := rekey.NewBundle(rand.Reader, time.Now(), args, to)
			if err != nil {
				return err
			}
			return c.keepBundle(out, sealed, args)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "make it here, without a server")
	cmd.Flags().StringVar(&public, "public-file", "", "with --offline: the age public key that the file is sealed to")
	cmd.Flags().StringVarP(&out, "output", "o", "", "with --offline: the new file")
	return cmd
}

// readPublicKey reads the one line of a public key.
func (c *cli) readPublicKey(path string) (crypto.Recipient, error) {
	text, err := readFileLimited(path, 16<<10)
	if err != nil {
		return crypto.Recipient{}, models.Wrap(models.Invalid, err, "the public key cannot be read from "+path)
	}
	to, err := crypto.ParseRecipient(strings.TrimSpace(string(text)))
	if err != nil {
		return to, models.Wrap(models.Invalid, nil, err.Error())
	}
	return to, nil
}

func (c *cli) deidKeyExport() *cobra.Command {
	var out, public string
	cmd := &cobra.Command{
		Use: "export DOMAIN…", Short: "Seal keys for a transformation away from the server", Args: cobra.MinimumNArgs(1),
		Long: `Seal keys of domains, and the list of people who objected, to an age key, for
"teikyo deid apply" on a machine that the server is not in reach of. Each export is
in the ledger. Copies outlive the destruction of a key: whoever exports one sees to
its end.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := c.readPublicKey(public)
			if err != nil {
				return err
			}
			answer, err := c.send(cmd, "POST", "/deid/bundles", map[string]any{"domains": args, "public": to.String()})
			if err != nil {
				return err
			}
			var bundle struct {
				Sealed []byte `json:"sealed"`
			}
			if err := json.Unmarshal(answer, &bundle); err != nil {
				return models.Wrap(models.Unavailable, err, "the server's answer cannot be read")
			}
			return c.keepBundle(out, bundle.Sealed, args)
		},
	}
	cmd.Flags().StringVar(&public, "public-file", "", "the age public key that the file is sealed to (teikyo keygen)")
	cmd.Flags().StringVarP(&out, "output", "o", "", "the new file")
	requireFlags(cmd, "public-file", "output")
	return cmd
}

func (c *cli) keepBundle(path string, sealed []byte, domains []string) error {
	if err := writeIdentity(path, string(sealed)); err != nil {
		return err
	}
	return c.showValue(map[string]any{"output": path, "domains": domains}, "output", "domains")
}

func (c *cli) deidKeyDestroy() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "destroy DOMAIN", Short: "Destroy the key of a domain, for good", Args: exactArgs("DOMAIN"),
		Long: `Destroy the key of a domain, for good; the domain's name is used up. Exports are
their holders' to destroy, and backups that are older hold the key, under the
key-encryption key of their time.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, "POST", "/api/v1/deid/keys/"+url.PathEscape(args[0])+"/destroy", map[string]string{"reason": reason}, deidKeyFields...)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	requireFlags(cmd, "reason")
	return cmd
}
