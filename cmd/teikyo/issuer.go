package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/crypto"
	"teikyo/models"
)

func (c *cli) issuerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "issuer", Short: "The organisation's signing keys, on the server's machine", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.issuerShowCommand(), c.issuerRotateCommand(), c.issuerRevokeCommand())
	return cmd
}

func (c *cli) issuerShowCommand() *cobra.Command {
	settings, out := &settingFlags{}, ""
	cmd := &cobra.Command{
		Use: "show", Short: "Show the issuer's name, fingerprint and keys", Args: noArgs,
		Long: `Show the issuer's name, fingerprint and keys. -o writes the issuer file that
recipients are given when their key is enrolled; they compare its fingerprint
with you by another way than the file came.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			view, err := c.issuerView(cmd.Context(), cfg.Config)
			if err != nil {
				return err
			}
			return c.showIssuer(view, out)
		},
	}
	settings.addData(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the issuer file here")
	return cmd
}

func (c *cli) issuerView(ctx context.Context, cfg config.Config) (issuerView, error) {
	var view issuerView
	err := c.onServer(ctx, cfg, serverWork{
		method: "GET", path: "/issuer", out: &view,
		alone: func(_ context.Context, a *app) (err error) {
			view, err = issuerViewOf(a.keys.Issuer(), cfg.Issuer.Name)
			return err
		},
	})
	return view, err
}

func (c *cli) showIssuer(view issuerView, out string) error {
	if out != "" {
		if err := os.WriteFile(out, []byte(view.File), 0o644); err != nil {
			return models.Wrap(models.Invalid, nil, "the issuer file cannot be written: "+err.Error())
		}
	}
	if c.json {
		c.printJSON(view)
		return nil
	}
	fmt.Fprintf(c.out, "origin       %s\nname         %s\nfingerprint  %s\n", view.Origin, view.Name, view.Fingerprint)
	for _, key := range view.Keys {
		fmt.Fprintf(c.out, "%-12s %s since %s, changes %d\n", key.Use, key.Public, key.From, key.Changes)
	}
	for _, key := range view.Keys {
		for _, old := range key.Earlier {
			state := ""
			if old.RevokedFrom != nil {
				state = fmt.Sprintf(", revoked from entry %d on", *old.RevokedFrom)
			}
			fmt.Fprintf(c.out, "%-12s %s until entry %d%s\n", key.Use, old.Public, old.Until, state)
		}
	}
	fmt.Fprintf(c.out, "allowed_signers for ssh-keygen -Y verify -n teikyo-manifest -I %s:\n%s", view.Origin, view.AllowedSigners)
	return nil
}

func (c *cli) issuerRotateCommand() *cobra.Command {
	settings := &settingFlags{}
	var kinds []string
	for _, use := range crypto.Uses() {
		kinds = append(kinds, string(use))
	}
	cmd := &cobra.Command{
		Use: "rotate KIND", Short: "Replace a signing key", Args: exactArgs("KIND (" + strings.Join(kinds, ", ") + ")"),
		Long: `Replace a signing key. The old key signs the statement that names the new one,
which goes into the issuer file and the ledger; what the old key signed stays
valid. KIND is ` + strings.Join(kinds, ", ") + ".",
		RunE: func(cmd *cobra.Command, args []string) error {
			use := crypto.Use(args[0])
			if !slices.Contains(crypto.Uses(), use) {
				return usageError(cmd, fmt.Sprintf("there is no signing key %q; it is one of %s", args[0], strings.Join(kinds, ", ")))
			}
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.rotateIssuer(cmd.Context(), cfg.Config, use)
		},
	}
	settings.addData(cmd)
	return cmd
}

func (c *cli) rotateIssuer(ctx context.Context, cfg config.Config, use crypto.Use) error {
	var change crypto.KeyChange
	err := c.onServer(ctx, cfg, serverWork{
		method: "POST", path: "/issuer/rotate", in: map[string]any{"use": use}, out: &change,
		alone: func(ctx context.Context, a *app) (err error) {
			change, err = a.rotateKey(ctx, use)
			return err
		},
	})
	if err != nil {
		return err
	}
	answer, err := jsonText(change)
	if err != nil {
		return err
	}
	return c.show(answer, "use", "old", "new", "at", "ledger_index")
}

// issuerView is the issuer file with what people compare.
type issuerView struct {
	Origin         string          `json:"origin"`
	Name           string          `json:"name"`
	Fingerprint    string          `json:"fingerprint"`
	Keys           []issuerKeyView `json:"keys"`
	AllowedSigners string          `json:"allowed_signers"`
	File           string          `json:"file"`
}

// issuerKeyView is the key of a use that signs now, and those that it replaced.
type issuerKeyView struct {
	Use     crypto.Use   `json:"use"`
	Public  string       `json:"public"`
	From    string       `json:"from"`
	Changes int          `json:"changes"`
	Earlier []earlierKey `json:"earlier,omitempty"` // oldest first
}

type earlierKey struct {
	Public      string `json:"public"`
	Until       int64  `json:"until_entry"`            // of the ledger, when it was replaced
	RevokedFrom *int64 `json:"revoked_from,omitempty"` // entry; absent: not revoked
}

func issuerViewOf(file crypto.Issuer, name string) (issuerView, error) {
	text, err := file.JSON()
	if err != nil {
		return issuerView{}, models.Wrap(models.Internal, err, "the issuer file cannot be made")
	}
	view := issuerView{
		Origin: file.Origin, Name: name, Fingerprint: file.Fingerprint(), AllowedSigners: file.AllowedSigners(), File: string(text),
	}
	if view.Name == "" {
		view.Name = file.Origin
	}
	for _, first := range file.Keys {
		key := issuerKeyView{Use: first.Use, Public: first.Public, From: first.From.Format("2006-01-02T15:04:05Z")}
		for _, change := range file.Changes {
			if change.Use == first.Use {
				key.Earlier = append(key.Earlier, earlierKey{change.Old, change.LedgerIndex, revokedFrom(file, change.Old)})
				key.Public, key.From, key.Changes = change.New, change.At.Format("2006-01-02T15:04:05Z"), key.Changes+1
			}
		}
		view.Keys = append(view.Keys, key)
	}
	return view, nil
}
