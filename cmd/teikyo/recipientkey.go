package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"teikyo/crypto"
	"teikyo/models"
)

var keyFields = []string{"id", "fingerprint", "post_quantum", "holder", "state", "expires_at", "approved_by", "independence"}

func (c *cli) recipientKeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Public keys of an organisation", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.keyAdd(), c.keyProve(), c.keyApprove(), c.keyList(), c.keyRevoke())
	return cmd
}

func keysPath(recipientID string) string {
	return "/recipients/" + url.PathEscape(recipientID) + "/keys"
}

func keyPath(recipientID, keyID string) string {
	return keysPath(recipientID) + "/" + url.PathEscape(keyID)
}

func (c *cli) keyAdd() *cobra.Command {
	var publicFile, holder, expires string
	cmd := &cobra.Command{Use: "add RECIPIENT", Short: "Enter a public key", Args: exactArgs("RECIPIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			public, err := c.readSecret(publicFile, "public key")
			if err != nil {
				return err
			}
			// Checked here first: a secret key given by mistake does not leave this machine.
			if _, err := crypto.ParseRecipient(public); err != nil {
				return models.Wrap(models.Invalid, err, err.Error())
			}
			answer, err := c.send(cmd, "POST", keysPath(args[0]),
				map[string]string{"public": public, "holder": holder, "expires": expires})
			if err != nil {
				return err
			}
			c.say("next: its holder proves it within 15 minutes (teikyo recipient key prove), another person approves it")
			return c.show(answer, keyFields...)
		}}
	cmd.Flags().StringVar(&publicFile, "public-file", "", "file with the public key, - for standard input")
	cmd.Flags().StringVar(&holder, "holder", "", "who holds the secret key")
	cmd.Flags().StringVar(&expires, "expires", "", "last day (2027-03-31)")
	requireFlags(cmd, "public-file")
	return cmd
}

func (c *cli) keyProve() *cobra.Command {
	var identityFile string
	cmd := &cobra.Command{Use: "prove RECIPIENT KEY", Short: "Prove that you hold the secret key", Args: exactArgs("RECIPIENT", "KEY"),
		Long: `prove gets a challenge that is sealed to the key, opens it with the identity,
checks every line of it, shows which issuer it comes from and answers it. The
identity never leaves this machine.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.proveKey(cmd, args[0], args[1], identityFile) }}
	cmd.Flags().StringVarP(&identityFile, "identity", "i", "", "identity file with the secret key")
	requireFlags(cmd, "identity")
	return cmd
}

func (c *cli) proveKey(cmd *cobra.Command, recipientID, keyID, identityFile string) error {
	text, err := c.readSecret(identityFile, "identity")
	if err != nil {
		return err
	}
	identity, err := crypto.ParseIdentity(bytes.NewReader([]byte(text)))
	if err != nil {
		return models.Wrap(models.Invalid, err, "the identity file holds no age secret key; teikyo keygen makes one")
	}
	answer, err := c.send(cmd, "POST", keyPath(recipientID, keyID)+"/challenge", nil)
	if err != nil {
		return err
	}
	challenge, err := openChallenge(answer, identity, recipientID)
	if err != nil {
		return err
	}
	c.say("challenge of issuer %s for key %s", challenge.Origin, challenge.KeyFingerprint)
	answer, err = c.send(cmd, "POST", keyPath(recipientID, keyID)+"/prove", map[string]string{"answer": challenge.Answer()})
	if err != nil {
		return err
	}
	return c.show(answer, keyFields...)
}

func openChallenge(answer json.RawMessage, identity crypto.Identity, recipientID string) (crypto.Challenge, error) {
	var v struct {
		Challenge   string `json:"challenge"`
		Fingerprint string `json:"fingerprint"`
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return crypto.Challenge{}, models.Wrap(models.Unavailable, err, "the server's answer is not what was expected")
	}
	sealed, err := base64.StdEncoding.DecodeString(v.Challenge)
	if err != nil {
		return crypto.Challenge{}, models.Wrap(models.Unavailable, err, "the server's challenge is not readable")
	}
	c, err := crypto.OpenChallenge(sealed, identity, crypto.ChallengeExpectation{
		RecipientID: recipientID, KeyFingerprint: v.Fingerprint, Now: time.Now(),
	})
	switch {
	case errors.Is(err, crypto.ErrChallengeMismatch), errors.Is(err, crypto.ErrChallenge):
		return c, models.Wrap(models.Integrity, err, "the challenge is not for this recipient and key; it was not answered")
	case errors.Is(err, crypto.ErrChallengeExpired):
		return c, models.Wrap(models.Expired, err, "the challenge has expired; check the clock of this machine and try again")
	case err != nil:
		return c, models.Wrap(models.Invalid, err, "this identity does not open the challenge: it is not the key's secret half")
	}
	return c, nil
}

func (c *cli) keyApprove() *cobra.Command {
	return &cobra.Command{Use: "approve RECIPIENT KEY", Short: "Let a proved key receive data", Args: exactArgs("RECIPIENT", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", keyPath(args[0], args[1])+"/approve", nil)
			if err != nil {
				return err
			}
			return c.show(answer, keyFields...)
		}}
}

func (c *cli) keyList() *cobra.Command {
	return &cobra.Command{Use: "list RECIPIENT", Short: "List the keys of an organisation", Args: exactArgs("RECIPIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", keysPath(args[0]), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "fingerprint", "holder", "state", "expires_at")
		}}
}

func (c *cli) keyRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "revoke RECIPIENT KEY", Short: "End a key", Args: exactArgs("RECIPIENT", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", keyPath(args[0], args[1])+"/revoke", map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, keyFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}
