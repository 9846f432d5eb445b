package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/deid"
	"teikyo/models"
)

func (c *cli) datasetReport() *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use: "report ID[@VERSION] [PATH]", Short: "Show what the de-identification gate said about the files of a version",
		Long: "Show what the de-identification gate said about one file of a version, or about all: the stored reports, each bound " +
			"to the SHA-256 of its file.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			if version == 0 {
				if version, err = c.newest(cmd, id); err != nil {
					return err
				}
			}
			paths := args[1:]
			if len(paths) == 0 {
				if paths, err = c.pathsOf(cmd, id, version); err != nil {
					return err
				}
			}
			return c.showReports(cmd, id, version, paths, page)
		},
	}
	cmd.Flags().StringVar(&page, "html", "", "write the reports as one page into this file too")
	return cmd
}

// newest is the number of the newest version.
func (c *cli) newest(cmd *cobra.Command, id string) (int, error) {
	answer, err := c.send(cmd, "GET", strings.TrimPrefix(versionPath(id, 0), "/api/v1"), nil)
	if err != nil {
		return 0, err
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return 0, models.Wrap(models.Invalid, err, "the server's answer cannot be read")
	}
	return v.Version, nil
}

func (c *cli) pathsOf(cmd *cobra.Command, id string, version int) ([]string, error) {
	api, err := c.api()
	if err != nil {
		return nil, err
	}
	files, err := remoteFiles(cmd.Context(), api, id, version)
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	return paths, err
}

func (c *cli) showReports(cmd *cobra.Command, id string, version int, paths []string, page string) error {
	results := make([]deid.Entry, 0, len(paths))
	documents := make([]json.RawMessage, 0, len(paths))
	for _, path := range paths {
		var file struct {
			Report json.RawMessage `json:"report"`
		}
		answer, err := c.send(cmd, "GET", strings.TrimPrefix(versionPath(id, version), "/api/v1")+"/files/"+url.PathEscape(path), nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(answer, &file); err != nil {
			return models.Wrap(models.Invalid, err, "the server's answer cannot be read")
		}
		if len(file.Report) == 0 {
			return models.Errorf(models.NotFound, "%s is not complete, so there is no report yet", path)
		}
		report, err := deid.ParseReport(file.Report)
		if err != nil {
			return models.Wrap(models.Integrity, err, "the stored report of "+path+" cannot be read")
		}
		results, documents = append(results, deid.Entry{Report: report}), append(documents, file.Report)
		if !c.json {
			fmt.Fprintln(c.out, strings.TrimRight(printableLines(report.Text()), "\n")+"\n")
		}
	}
	if c.json {
		c.printJSON(map[string]any{"files": documents})
	}
	return writePage(page, results)
}
