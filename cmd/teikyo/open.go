package main

import (
	"context"

	"github.com/spf13/cobra"

	"teikyo/client/arrival"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/internal/datadir"
)

func (c *cli) openCommand() *cobra.Command {
	var f trustFlags
	var out, identity string
	var include []string
	cmd := &cobra.Command{
		Use: "open DIR…", Short: "Verify and open a parcel that lies in folders", Args: minArgs(1, "DIR"),
		Long: `Verify and open a parcel that came by upload, e-mail or media. A parcel that is
spread over several folders or disks is given with all of them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runOpen(cmd.Context(), args, out, identity, include, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&out, "output", "o", "", "folder to open into: new, empty, or one that open made")
	flags.StringVarP(&identity, "identity", "i", "", "identity file with the secret key")
	flags.StringArrayVar(&include, "include", nil, "only files that match, such as 2024/*.csv or claims/** (repeatable)")
	f.register(cmd)
	requireFlags(cmd, "output", "identity")
	return cmd
}

func (c *cli) runOpen(ctx context.Context, dirs []string, out, identity string, include []string, f *trustFlags) error {
	id, err := c.readIdentity(identity)
	if err != nil {
		return err
	}
	folders, parcel, notes, err := c.readParcel(ctx, dirs, f)
	if err != nil {
		return err
	}
	defer folders.Close()
	tree, err := arrival.OpenTree(out)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := roomToOpen(tree, parcel, include); err != nil {
		return err
	}
	report, err := folders.Open(ctx, parcel, id, tree, include)
	if err == nil && len(include) == 0 {
		err = tree.RemovePartials()
	}
	if err != nil {
		return err
	}
	doc := parcelDocument(parcel, notes)
	doc["folder"], doc["files"], doc["bytes"] = out, report.Checked, report.Bytes
	return c.showParcel(doc, parcel, notes)
}

// readParcel verifies what the parcel in the folders is, offline.
func (c *cli) readParcel(ctx context.Context, dirs []string, f *trustFlags) (received.Folders, *received.Parcel, []string, error) {
	trust, witness, err := c.trust(f)
	if err != nil {
		return nil, nil, nil, err
	}
	folders, err := received.OpenFolders(dirs...)
	if err != nil {
		return nil, nil, nil, err
	}
	parcel, err := folders.ReadParcel(trust)
	var notes []string
	if err == nil {
		var note string
		if note, err = parcel.Witnessed(ctx, witness, nil); note != "" {
			notes = append(notes, note)
		}
	}
	if err != nil {
		folders.Close()
		return nil, nil, nil, err
	}
	return folders, parcel, notes, nil
}

// roomToOpen refuses to begin what the disk cannot hold.
func roomToOpen(tree *arrival.Tree, parcel *received.Parcel, include []string) error {
	files, err := parcel.Select(include)
	if err != nil {
		return err
	}
	free, err := datadir.FreeSpace(tree.Name())
	if err != nil {
		return nil //nolint:nilerr // a file system that does not tell will say it when it is full
	}
	var need int64
	for _, file := range files {
		if !tree.HasSize(file.OpenPath(), file.Size) {
			need += file.Size - tree.PartialSize(file, false)
		}
	}
	return tree.CheckSpace(free, need)
}

// optionalIdentity is the zero identity, which opens nothing, without a file.
func (c *cli) optionalIdentity(file string) (crypto.Identity, error) {
	if file == "" {
		return crypto.Identity{}, nil
	}
	return c.readIdentity(file)
}
