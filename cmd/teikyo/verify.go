package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) verifyCommand() *cobra.Command {
	var f trustFlags
	var identity string
	var include []string
	cmd := &cobra.Command{
		Use: "verify DIR…", Short: "Check a received parcel offline", Args: minArgs(1, "DIR"),
		Long: `Check a received parcel offline: the issuer, its signature, the ledger's receipt
and the digest of every file. Files that get opened are compared with their sealed
digests, for which the identity is needed (-i); without it the exit code is 3.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runVerify(cmd.Context(), args, identity, include, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&identity, "identity", "i", "", "identity file, to compare files that were opened")
	flags.StringArrayVar(&include, "include", nil, "only files that match, when the others were not fetched (repeatable)")
	f.register(cmd)
	return cmd
}

func (c *cli) runVerify(ctx context.Context, dirs []string, identity string, include []string, f *trustFlags) error {
	id, err := c.optionalIdentity(identity)
	if err != nil {
		return err
	}
	folders, parcel, notes, err := c.readParcel(ctx, dirs, f)
	if err != nil {
		return err
	}
	defer folders.Close()
	report, err := folders.Verify(ctx, parcel, id, include)
	if err != nil {
		return err
	}
	for _, name := range report.Extra {
		c.say("not part of the parcel: %s", printable(name))
	}
	doc := parcelDocument(parcel, notes)
	doc["ok"], doc["files"], doc["unchecked"] = report.Unchecked == 0, report.Checked, report.Unchecked
	doc["bytes"], doc["extra"] = report.Bytes, append([]string{}, report.Extra...)
	if err := c.showParcel(doc, parcel, notes); err != nil {
		return err
	}
	if report.Unchecked > 0 {
		c.say("%d opened files were not compared: give the identity with -i", report.Unchecked)
		return &exitWith{code: 3}
	}
	c.say("everything holds")
	return nil
}
