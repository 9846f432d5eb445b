package main

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/models"
)

var destinationFields = []string{
	"id", "type", "url", "host_keys", "login", "public_key", "config_sha256", "state", "added_by", "approved_by", "independence",
	"revoked_by", "reason",
}

// maxHostKeyFile is the longest file of host keys, in bytes.
const maxHostKeyFile = 64 << 10

func (c *cli) destinationCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "destination", Short: "Places at an organisation to which parcels are uploaded", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.destinationAdd(), c.destinationList(), c.destinationShow(), c.destinationApprove(), c.destinationRevoke())
	return cmd
}

func destinationPath(recipientID, id string) string {
	return "/recipients/" + url.PathEscape(recipientID) + "/destinations/" + url.PathEscape(id)
}

func (c *cli) destinationAdd() *cobra.Command {
	var kind, address, hostKeys, passwordFile, keyFile string
	var makeKey bool
	cmd := &cobra.Command{Use: "add RECIPIENT", Short: "Enter a place to which parcels are uploaded", Args: exactArgs("RECIPIENT"),
		Long: `add enters an SFTP server of a recipient. Its host key comes from the recipient,
by another way than the network; its login is a password, a private key, or a key
that the server makes (--make-key), whose public half the recipient lets in.
Another person approves the destination before anything goes there.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if given := countFlags(cmd, "password-file", "key-file", "make-key"); given != 1 {
				return usageError(cmd, "give one of --password-file, --key-file and --make-key")
			}
			in := map[string]any{"type": kind, "url": address}
			text, err := readFileLimited(hostKeys, maxHostKeyFile)
			if err != nil {
				return models.Wrap(models.Invalid, nil, "--host-key-file cannot be read: "+err.Error())
			}
			in["host_keys"] = strings.Split(strings.TrimSpace(string(text)), "\n")
			if err := c.destinationLogin(in, passwordFile, keyFile, makeKey); err != nil {
				return err
			}
			answer, err := c.send(cmd, "POST", "/recipients/"+url.PathEscape(args[0])+"/destinations", in)
			if err != nil {
				return err
			}
			c.say("next: another person approves it (teikyo recipient destination approve)")
			return c.show(answer, destinationFields...)
		}}
	f := cmd.Flags()
	f.StringVar(&kind, "type", "sftp", "protocol: sftp")
	f.StringVar(&address, "url", "", "sftp://USER@HOST:PORT/FOLDER")
	f.StringVar(&hostKeys, "host-key-file", "", "file with the host keys of the server")
	f.StringVar(&passwordFile, "password-file", "", "file with the password, - for standard input")
	f.StringVar(&keyFile, "key-file", "", "file with a private key without a passphrase, - for standard input")
	f.BoolVar(&makeKey, "make-key", false, "let the server make a key")
	requireFlags(cmd, "url", "host-key-file")
	return cmd
}

// countFlags is how many of the flags were given.
func countFlags(cmd *cobra.Command, names ...string) int {
	n := 0
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			n++
		}
	}
	return n
}

func (c *cli) destinationLogin(in map[string]any, passwordFile, keyFile string, makeKey bool) error {
	var err error
	switch {
	case makeKey:
		in["make_key"] = true
	case keyFile != "":
		in["private_key"], err = c.readSecret(keyFile, "private key")
	default:
		in["password"], err = c.readSecret(passwordFile, "password")
	}
	return err
}

func (c *cli) destinationList() *cobra.Command {
	return &cobra.Command{Use: "list RECIPIENT", Short: "List the destinations of an organisation", Args: exactArgs("RECIPIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", "/recipients/"+url.PathEscape(args[0])+"/destinations", nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "type", "url", "login", "state", "approved_by")
		}}
}

func (c *cli) destinationShow() *cobra.Command {
	return &cobra.Command{Use: "show RECIPIENT DESTINATION", Short: "Show a destination, without its credential",
		Args: exactArgs("RECIPIENT", "DESTINATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", destinationPath(args[0], args[1]), nil)
			if err != nil {
				return err
			}
			return c.show(answer, destinationFields...)
		}}
}

func (c *cli) destinationApprove() *cobra.Command {
	var config string
	cmd := &cobra.Command{Use: "approve RECIPIENT DESTINATION", Short: "Let parcels go to a destination",
		Args: exactArgs("RECIPIENT", "DESTINATION"),
		Long: `approve shows where the destination leads and approves exactly that. With
--config-sha256 it approves only what you looked at before (teikyo recipient
destination show).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := destinationPath(args[0], args[1])
			shown, err := c.send(cmd, "GET", path, nil)
			if err != nil {
				return err
			}
			var seen struct {
				URL      string   `json:"url"`
				HostKeys []string `json:"host_keys"`
				Config   string   `json:"config_sha256"`
			}
			if err := json.Unmarshal(shown, &seen); err != nil {
				return models.Wrap(models.Unavailable, err, "the server's answer is not what was expected")
			}
			c.say("it leads to %s, with the host keys %s", seen.URL, strings.Join(seen.HostKeys, ", "))
			if config == "" {
				config = seen.Config
			}
			answer, err := c.send(cmd, "POST", path+"/approve", map[string]string{"config_sha256": config})
			if err != nil {
				return err
			}
			return c.show(answer, destinationFields...)
		}}
	cmd.Flags().StringVar(&config, "config-sha256", "", "digest of the configuration that you looked at")
	return cmd
}

func (c *cli) destinationRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "revoke RECIPIENT DESTINATION", Short: "End a destination; what is under way to it stops",
		Args: exactArgs("RECIPIENT", "DESTINATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", destinationPath(args[0], args[1])+"/revoke", map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, destinationFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}
