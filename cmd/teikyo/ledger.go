package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/ledger"
	"teikyo/ledger/export"
	"teikyo/models"
)

func (c *cli) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "The record that nobody can quietly change", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.ledgerVerifyCommand(), c.ledgerCheckpointCommand(), c.ledgerProofCommand(), c.ledgerExportCommand(), c.ledgerListCommand(), c.ledgerRedactCommand())
	return cmd
}

func (c *cli) ledgerCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Print the server's newest signed checkpoint", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.stranger()
			if err != nil {
				return err
			}
			resp, err := api.Do(cmd.Context(), http.MethodGet, "/ledger/checkpoint", nil, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(io.LimitReader(resp.Body, ledger.MaxCheckpointSize+1))
			if err != nil {
				return models.Wrap(models.Unavailable, err, "the server broke the connection; try again")
			}
			checkpoint, err := ledger.ParseCheckpoint(text)
			if err != nil {
				return models.Wrap(models.Integrity, nil, "the server's answer is no checkpoint: "+err.Error())
			}
			if c.json {
				c.printJSON(map[string]any{"origin": checkpoint.Origin, "size": checkpoint.Tree.N, "root": checkpoint.Tree.Hash, "checkpoint": string(text)})
				return nil
			}
			_, err = c.out.Write(text)
			return err
		},
	}
}

func (c *cli) ledgerProofCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use: "proof INDEX", Short: "Get the receipt of an entry", Args: exactArgs("INDEX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isIndex(args[0]) {
				return usageError(cmd, fmt.Sprintf("%q is no index of an entry; it is a number from 0", args[0]))
			}
			api, err := c.api()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if err := api.Call(cmd.Context(), http.MethodGet, "/api/v1/ledger/proofs/"+args[0], nil, &answer); err != nil {
				return err
			}
			var proof struct {
				Proof string `json:"proof"`
			}
			if err := decodeNumbers(answer, &proof); err != nil {
				return err
			}
			if out != "" {
				return writeNew(out, []byte(proof.Proof))
			}
			if c.json {
				return c.printRaw(answer)
			}
			_, err = io.WriteString(c.out, proof.Proof)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write it to this file, RECEIPT.tlog-proof or the like")
	return cmd
}

func isIndex(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}

// writeNew writes a file that was not there before.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return models.Errorf(models.Conflict, "%s is there already; choose another name", path)
	}
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return models.Wrap(models.Full, nil, err.Error())
	}
	return nil
}

func (c *cli) ledgerExportCommand() *cobra.Command {
	settings, out, log := &settingFlags{}, "", 0
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole ledger to a file that can be verified elsewhere", Args: noArgs,
		Long: `Write the whole ledger, details included, as JSON lines. It reads the data folder,
also while its server runs. teikyo ledger verify --data FILE --issuer FILE checks
the result anywhere. --log writes a log that a forced restore ended.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.exportLedger(cmd.Context(), cfg.Config, log, out)
		},
	}
	settings.addData(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to this file instead of standard output")
	cmd.Flags().IntVar(&log, "log", 0, "number of a log that a forced restore ended (default: the present one)")
	return cmd
}

func (c *cli) exportLedger(ctx context.Context, cfg config.Config, log int, out string) error {
	checkpoint := secondPlaceCheckpoint(ctx, cfg)
	write := func(w io.Writer) error {
		return withLedger(ctx, cfg, func(ctx context.Context, src ledger.Source) error {
			if log != 0 {
				var err error
				if src, checkpoint, err = closedLog(ctx, src, log); err != nil {
					return err
				}
			}
			return export.Write(ctx, w, src, checkpoint)
		})
	}
	if out == "" {
		return write(c.out)
	}
	f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return models.Wrap(models.Invalid, nil, "the export cannot be written: "+err.Error())
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, removeFile(out))
	}
	c.say("wrote %s", out)
	return nil
}

func (c *cli) ledgerListCommand() *cobra.Command {
	var kind, noun, id string
	var log int
	var page pageFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List entries with their details", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.api()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			q := page.query()
			setQuery(q, "kind", kind)
			setQuery(q, "noun", noun)
			setQuery(q, "id", id)
			if log != 0 {
				q.Set("log", strconv.Itoa(log))
			}
			path := "/api/v1/ledger/entries?" + q.Encode()
			if err := api.Call(cmd.Context(), http.MethodGet, path, nil, &answer); err != nil {
				return err
			}
			return c.table(answer, "index", "time", "kind", "ids")
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "entries of this kind, such as provision.issued")
	cmd.Flags().StringVar(&noun, "noun", "", "with --id: entries about this thing, such as recipient")
	cmd.Flags().StringVar(&id, "id", "", "identifier of the thing")
	cmd.Flags().IntVar(&log, "log", 0, "number of a log that a forced restore ended (default: the present one)")
	page.register(cmd)
	return cmd
}
