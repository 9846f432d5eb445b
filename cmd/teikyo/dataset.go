package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/models"
)

func (c *cli) datasetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dataset", Short: "Datasets and their versions", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.datasetRegister(), c.datasetList(), c.datasetShow(), c.datasetCheck(), c.datasetReport(), c.datasetRecheck(), c.datasetSweep(),
		c.datasetEnd("withdraw", "End the provision of a version"),
		c.datasetEnd("recall", "Withdraw a version and tell those who have it to stop using it"), c.datasetDestroy())
	return cmd
}

func (c *cli) datasetList() *cobra.Command {
	var page pageFlags
	var query, class string
	cmd := &cobra.Command{Use: "list", Short: "List and search datasets", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "q", query)
			setQuery(q, "class", class)
			answer, err := c.send(cmd, "GET", "/datasets?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "latest", "class", "title")
		}}
	page.register(cmd)
	cmd.Flags().StringVar(&query, "query", "", "words in title or description")
	cmd.Flags().StringVar(&class, "class", "", "only this data class")
	return cmd
}

func (c *cli) datasetShow() *cobra.Command {
	return &cobra.Command{Use: "show ID[@VERSION]", Short: "Show a version of a dataset (the newest) and its files", Args: exactArgs("ID[@VERSION]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			api, err := c.api()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if err := api.Call(cmd.Context(), "GET", versionPath(id, version), nil, &answer); err != nil {
				return err
			}
			return c.showVersion(cmd.Context(), api, answer)
		}}
}

func (c *cli) datasetEnd(verb, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID@VERSION --reason R", Short: short, Args: exactArgs("ID@VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			if version == 0 {
				return usageError(cmd, "name the version: "+id+"@VERSION")
			}
			answer, err := c.send(cmd, "POST", strings.TrimPrefix(versionPath(id, version), "/api/v1")+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, versionFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) datasetSweep() *cobra.Command {
	return &cobra.Command{Use: "sweep", Short: "Remove what interrupted uploads left behind", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.send(cmd, "POST", "/datasets/sweep", nil)
			if err != nil {
				return err
			}
			return c.show(answer, "objects", "partial", "drafts")
		}}
}

// parseVersioned reads ID or ID@VERSION; version 0 means the newest.
func parseVersioned(cmd *cobra.Command, text string) (id string, version int, err error) {
	id, number, found := strings.Cut(text, "@")
	if found {
		version, err = strconv.Atoi(number)
	}
	if !models.IsID(id, models.DatasetID) || err != nil || found && version < 1 {
		return "", 0, usageError(cmd, fmt.Sprintf("%q is not of the form ID@VERSION, for example ds-abcdefgh23456722@1", text))
	}
	return id, version, nil
}

func versionPath(id string, version int) string {
	return "/api/v1/datasets/" + url.PathEscape(id) + "/versions/" + strconv.Itoa(version)
}

var versionFields = []string{
	"id", "version", "title", "class", "state", "items", "file_count", "total_size", "digest", "profile", "pq_required",
	"terms_sha256", "period_from", "period_to", "subjects", "records", "created_by", "created_at", "registered_by",
	"registered_at", "ended_by", "ended_at", "end_reason",
}

// showVersion prints a version together with all its files.
func (c *cli) showVersion(ctx context.Context, api *client.Client, answer json.RawMessage) error {
	var whole map[string]json.RawMessage
	var ref struct {
		ID      string `json:"id"`
		Version int    `json:"version"`
	}
	if err := decodeNumbers(answer, &whole); err != nil {
		return err
	}
	if err := decodeNumbers(answer, &ref); err != nil {
		return err
	}
	files, err := remoteFiles(ctx, api, ref.ID, ref.Version)
	if err != nil {
		return err
	}
	if whole["files"], err = json.Marshal(files); err != nil {
		return err
	}
	if c.json {
		c.printJSON(whole)
		return nil
	}
	if err := c.show(answer, versionFields...); err != nil {
		return err
	}
	list, err := json.Marshal(map[string]any{"items": files})
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out)
	return c.table(list, "path", "size", "sha256", "items")
}

// remoteFile is a file as the server lists it.
type remoteFile struct {
	Path     string   `json:"path"`
	Size     int64    `json:"size"`
	SHA256   string   `json:"sha256"`
	Items    []string `json:"items"`
	Complete bool     `json:"complete"`
}

func remoteFiles(ctx context.Context, api *client.Client, id string, version int) ([]remoteFile, error) {
	files := []remoteFile{}
	q := url.Values{"limit": {strconv.Itoa(models.MaxPage)}}
	for {
		var page struct {
			Items []remoteFile `json:"items"`
			Next  string       `json:"next_cursor"`
		}
		if err := api.Call(ctx, "GET", versionPath(id, version)+"/files?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		files = append(files, page.Items...)
		if page.Next == "" {
			return files, nil
		}
		q.Set("cursor", page.Next)
	}
}
