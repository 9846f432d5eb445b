package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"teikyo/crypto"
	"teikyo/models"
)

func (c *cli) keygenCommand() *cobra.Command {
	var out string
	var pq bool
	cmd := &cobra.Command{
		Use: "keygen", Short: "Make a key pair to receive parcels with", Args: noArgs,
		Long: `Make a key pair to receive parcels with. The identity file holds the secret key:
it stays on your machine, and what was sealed to it is lost without it. Send the
public key, the line that starts with age1, to the issuer.`,
		RunE: func(*cobra.Command, []string) error { return c.keygen(out, pq) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "new identity file; an existing one is never overwritten")
	cmd.Flags().BoolVar(&pq, "pq", false, "post-quantum hybrid key (ML-KEM-768 and X25519), opened by age 1.3 or newer")
	requireFlags(cmd, "output")
	return cmd
}

func (c *cli) keygen(out string, pq bool) error {
	identity, public, err := crypto.GenerateIdentity(pq)
	if err != nil {
		return models.Wrap(models.Internal, err, "no key could be made")
	}
	rcpt, err := crypto.ParseRecipient(public)
	if err != nil {
		return models.Wrap(models.Internal, err, "no key could be made")
	}
	if err := writeIdentity(out, identity); err != nil {
		return err
	}
	if c.json {
		c.printJSON(map[string]any{"public": public, "fingerprint": rcpt.Fingerprint(), "post_quantum": pq, "identity": out})
		return nil
	}
	c.printLine(public)
	c.say("fingerprint %s; the secret key is in %s: keep it, and a copy in a safe place", rcpt.Fingerprint(), out)
	return nil
}

// writeIdentity makes the file durably, readable to the user alone.
func writeIdentity(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return models.Errorf(models.Conflict, "%s exists already and stays as it is; choose another name", path)
	}
	if err != nil {
		return models.Wrap(models.Invalid, err, "the identity file "+path+" cannot be made")
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(path) // half a key is none
		return models.Wrap(models.Invalid, err, "the identity file "+path+" cannot be written")
	}
	return nil
}
