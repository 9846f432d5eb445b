package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"teikyo/models"
	"teikyo/rekey"
)

func (c *cli) objectionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "objection", Short: "People who objected, and are left out of what is transformed", Args: noArgs, RunE: showHelp,
		Long: `People who objected are left out when files are transformed ("teikyo deid apply"
with the file of "teikyo deid key export"). They are told by their keys in the source
files: chart numbers and the like. The server keeps keyed hashes of these keys,
never the keys.`,
	}
	cmd.AddCommand(c.objectionAdd(), c.listCommand("/api/v1/objections", "List what was added when, by number", "id", "keys", "new", "reason", "added_by", "added_at"))
	return cmd
}

func (c *cli) objectionAdd() *cobra.Command {
	var file, reason string
	cmd := &cobra.Command{
		Use: "add", Short: "Note people who objected, by their keys in the source", Args: noArgs,
		Long: `Note people who objected: one key a line, as the source files have it, from a file
or standard input ("-", the default). Full-width digits, zeros in front of numbers,
capitals and spaces around make no difference. What is already known is counted and
does no harm, so the whole list can be given again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := c.readObjections(file)
			if err != nil {
				return err
			}
			return c.sendObjections(cmd, keys, reason)
		},
	}
	cmd.Flags().StringVar(&file, "file", "-", "file with one key a line; - is standard input")
	cmd.Flags().StringVar(&reason, "reason", "", "such as the letters that asked for it; no names")
	return cmd
}

// readObjections reads one key a line; blank lines are passed over.
func (c *cli) readObjections(path string) ([]string, error) {
	in := io.Reader(c.in)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, models.Wrap(models.Invalid, err, "the file with the source keys cannot be read")
		}
		defer f.Close()
		in = f
	}
	var keys []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4096)
	for lines.Scan() {
		line := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff")))
		if len(line) > 0 {
			keys = append(keys, string(line))
		}
		if len(keys) > rekey.MaxObjections {
			return nil, models.Errorf(models.TooLarge, "the list holds more than %d keys", rekey.MaxObjections)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, models.Errorf(models.Invalid, "the list of source keys cannot be read: one key a line, in UTF-8")
	}
	if len(keys) == 0 {
		return nil, models.Errorf(models.Invalid, "the list of source keys is empty: one key a line")
	}
	return keys, nil
}

// objectionsAdded sums up what the server took.
type objectionsAdded struct {
	IDs  []string `json:"ids"`
	Keys int64    `json:"keys"`
	New  int64    `json:"new"`
}

func (c *cli) sendObjections(cmd *cobra.Command, keys []string, reason string) error {
	done := objectionsAdded{IDs: []string{}}
	for from := 0; from < len(keys); from += rekey.MaxBatch {
		part := keys[from:min(len(keys), from+rekey.MaxBatch)]
		answer, err := c.send(cmd, "POST", "/objections", map[string]any{"keys": part, "reason": reason})
		if err != nil {
			return err
		}
		var one struct {
			ID        string `json:"id"`
			Keys, New int64
		}
		if err := json.Unmarshal(answer, &one); err != nil {
			return models.Wrap(models.Unavailable, err, "the server's answer is not what was expected")
		}
		done.IDs, done.Keys, done.New = append(done.IDs, one.ID), done.Keys+one.Keys, done.New+one.New
	}
	return c.showValue(done, "ids", "keys", "new")
}
