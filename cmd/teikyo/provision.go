package main

import (
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"teikyo/models"
)

var provisionFields = []string{
	"id", "number", "state", "dataset", "version", "path", "class", "recipient", "agreement", "key", "method", "files", "until",
	"manifest_sha256", "ledger_index", "receipt", "reissues", "request", "issued_by", "issued_at",
	"revoked_by", "revoked_at", "revoke_reason", "acknowledged_by", "acknowledged_at", "independence",
}

func (c *cli) provisionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "provision", Short: "What was provided, and the proof of it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.provisionList(), c.provisionShow(), c.provisionReceipt(), c.provisionManifest(), c.provisionRevoke(), c.provisionReinstate(),
		c.provisionReissue(), c.provisionAcknowledge(), c.reportProvisions("report"))
	return cmd
}

func provisionPath(id, rest string) string { return "/provisions/" + url.PathEscape(id) + rest }

func (c *cli) provisionList() *cobra.Command {
	var recipientID, dataset string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List provisions, the newest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "recipient", recipientID)
			setQuery(q, "dataset", dataset)
			answer, err := c.send(cmd, "GET", "/provisions?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "number", "state", "recipient", "until")
		}}
	cmd.Flags().StringVar(&recipientID, "recipient", "", "those for one recipient")
	cmd.Flags().StringVar(&dataset, "dataset", "", "those of one dataset")
	page.register(cmd)
	return cmd
}

func (c *cli) provisionShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a provision", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", provisionPath(args[0], ""), nil)
			if err != nil {
				return err
			}
			return c.show(answer, provisionFields...)
		}}
}

func (c *cli) provisionReceipt() *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "receipt ID", Short: "Get the ledger's proof of a provision", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.fetchDocument(cmd, provisionPath(args[0], "/receipt"), "text/plain", out)
		}}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default: standard output)")
	return cmd
}

func (c *cli) provisionManifest() *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "manifest ID", Short: "Get the manifest of a provision's parcel", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.fetchDocument(cmd, provisionPath(args[0], "/manifest"), "application/json", out)
		}}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default: standard output)")
	return cmd
}

// fetchDocument copies a document of the API, byte for byte, to a file or
// standard output.
func (c *cli) fetchDocument(cmd *cobra.Command, path, media, out string) error {
	api, err := c.api()
	if err != nil {
		return err
	}
	resp, err := api.Do(cmd.Context(), http.MethodGet, "/api/v1"+path, http.Header{"Accept": {media}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == "" || out == "-" {
		if _, err := io.Copy(c.out, resp.Body); err != nil {
			return models.Wrap(models.Unavailable, err, "the document did not arrive whole; try again")
		}
		return nil
	}
	if err := writeWhole(out, resp.Body); err != nil {
		return err
	}
	if c.json {
		c.printJSON(map[string]string{"file": out})
	}
	return nil
}

// writeWhole writes a file that has its name only when it is whole.
func writeWhole(path string, body io.Reader) error {
	temp := path + ".part"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return models.Wrap(models.Invalid, err, "the file "+path+" cannot be written")
	}
	_, err = io.Copy(f, body)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return models.Wrap(models.Unavailable, err, "the document did not arrive whole; try again")
	}
	return nil
}

func (c *cli) provisionRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "revoke ID", Short: "End a provision now", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", provisionPath(args[0], "/revoke"), map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, provisionFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) provisionReinstate() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "reinstate ID", Short: "Confirm a provision that a forced restore suspended", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", provisionPath(args[0], "/reinstate"), map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, provisionFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) provisionReissue() *cobra.Command {
	var key string
	cmd := &cobra.Command{Use: "reissue ID", Short: "Make new headers for another key of the recipient", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", provisionPath(args[0], "/reissue"), map[string]string{"key": key})
			if err != nil {
				return err
			}
			return c.show(answer, provisionFields...)
		}}
	cmd.Flags().StringVar(&key, "key", "", "the other key, by fingerprint or id")
	requireFlags(cmd, "key")
	return cmd
}

func (c *cli) provisionAcknowledge() *cobra.Command {
	return &cobra.Command{Use: "acknowledge ID", Short: "Record the recipient's word that the parcel arrived", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", provisionPath(args[0], "/acknowledge"), nil)
			if err != nil {
				return err
			}
			return c.show(answer, provisionFields...)
		}}
}
