package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/crypto"
	"teikyo/models"
)

// revocation is which key is revoked.
type revocation struct {
	Use  crypto.Use `json:"use"`
	Key  string     `json:"key"`  // public, base64; empty: the one that was replaced last
	From int64      `json:"from"` // ledger entry; below 0: the one at which the key was replaced
}

func (c *cli) issuerRevokeCommand() *cobra.Command {
	settings, r := &settingFlags{}, revocation{}
	cmd := &cobra.Command{
		Use: "revoke KIND", Short: "Withdraw trust in a signing key that was replaced", Args: exactArgs("KIND"),
		Long: `Withdraw trust in a signing key that was replaced, because somebody else may
have it. Replace it first: teikyo issuer rotate KIND. The key that signs now signs
the statement, which goes into the issuer file and the ledger.

What the old key signed counts for ledger entries below --from alone, by default
those that it signed while it was the key. Receipts and parcels of later entries
that it signed are refused by everybody who has the new issuer file. After a forced
restore the ledger counts from 0 again: revoke a stolen key again with --from 0.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Use = crypto.Use(args[0])
			if !slices.Contains(crypto.Uses(), r.Use) {
				return usageError(cmd, fmt.Sprintf("there is no signing key %q", args[0]))
			}
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var made crypto.KeyRevocation
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "POST", path: "/issuer/revoke", in: r, out: &made,
				alone: func(ctx context.Context, a *app) (err error) {
					made, err = a.revokeKey(ctx, r)
					return err
				},
			})
			if err != nil {
				return err
			}
			answer, err := jsonText(made)
			if err != nil {
				return err
			}
			return c.show(answer, "use", "key", "by", "at", "ledger_index")
		},
	}
	settings.addData(cmd)
	cmd.Flags().StringVar(&r.Key, "key", "", "the public key (teikyo issuer show); default: the one that was replaced last")
	cmd.Flags().Int64Var(&r.From, "from", -1, "first ledger entry for which it does not count; default: the one at which it was replaced")
	return cmd
}

func (a *app) answerRevoke(w http.ResponseWriter, req *http.Request) {
	var r revocation
	err := json.NewDecoder(io.LimitReader(req.Body, 1<<10)).Decode(&r)
	if err != nil || !slices.Contains(crypto.Uses(), r.Use) {
		answerAdmin(w, nil, models.Errorf(models.Invalid, "there is no signing key of that kind"))
		return
	}
	made, err := a.revokeKey(req.Context(), r)
	answerAdmin(w, made, err)
}

// revokeKey withdraws trust in a key that was replaced, and records it.
func (a *app) revokeKey(ctx context.Context, r revocation) (crypto.KeyRevocation, error) {
	var replaced *crypto.KeyChange
	for _, change := range a.keys.Issuer().Changes {
		if change.Use == r.Use && (r.Key == "" || change.Old == r.Key) {
			replaced = &change
		}
	}
	if replaced == nil {
		return crypto.KeyRevocation{}, models.Errorf(models.Conflict,
			"no such key was replaced: a key that still signs cannot be revoked; teikyo issuer rotate %s first", r.Use)
	}
	from := r.From
	if from < 0 {
		from = replaced.LedgerIndex
	}
	if present := revokedFrom(a.keys.Issuer(), replaced.Old); present != nil && *present <= from {
		return crypto.KeyRevocation{}, models.Errorf(models.Conflict, "the key is revoked from entry %d on already", *present)
	}
	made, err := a.keys.Revoke(r.Use, replaced.Old, a.clock.Now(), from)
	if err != nil {
		return made, models.Wrap(models.Internal, err, "the key could not be revoked: "+err.Error())
	}
	return made, a.recordKeyChanges(ctx)
}

// revokedFrom is the entry from which on a key does not count; nil when it is not
// revoked.
func revokedFrom(file crypto.Issuer, key string) *int64 {
	var from *int64
	for _, r := range file.Revocations {
		if r.Key == key && (from == nil || r.LedgerIndex < *from) {
			from = &r.LedgerIndex
		}
	}
	return from
}

// revocationID names a revocation in the ledger: a key can be revoked again, from
// an earlier entry on.
func revocationID(r crypto.KeyRevocation) string {
	return fmt.Sprintf("%s@%d", strings.TrimRight(r.Key, "="), r.LedgerIndex)
}
