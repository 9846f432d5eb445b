package main

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"teikyo/models"
)

// tamper changes copies of what was made, as somebody with full access to the
// disks could, and shows that each change is caught.
func (d *demo) tamper(ctx context.Context) error {
	if err := d.tamperParcel(ctx); err != nil {
		return err
	}
	return d.tamperLedger(ctx)
}

// tamperParcel flips one byte of a sealed file on its way.
func (d *demo) tamperParcel(ctx context.Context) error {
	sealed := d.path("researcher", "sealed")
	issuer := d.path("researcher", "issuer.json")
	_, err := d.do(ctx, daiki, "get", d.ids().link, "-o", sealed, "-i", d.path("researcher", "identity.txt"),
		"--issuer", issuer, "--keep-sealed")
	if err != nil {
		return err
	}
	if _, err := d.do(ctx, daiki, "verify", sealed, "--issuer", issuer); err != nil {
		return err
	}
	if err := flipByte(filepath.Join(sealed, "data", "claims-2025.csv.age"), 1_000_000); err != nil {
		return err
	}
	refused, err := d.must(ctx, 7, daiki, "verify", sealed, "--issuer", issuer)
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "Somebody", Did: "flips one byte in a copy of the sealed parcel", Command: "teikyo verify sealed",
		Result: "caught, exit code 7: " + firstText(refused, "error.message", "problem"),
	})
	return nil
}

// firstText is the first of the fields that says something.
func firstText(a answer, paths ...string) string {
	for _, path := range paths {
		if text := a.text(path); text != "" {
			return text
		}
	}
	return "the check failed"
}

// tamperLedger edits the record of the provision in a copy of the data folder.
func (d *demo) tamperLedger(ctx context.Context) error {
	if err := d.stop(); err != nil {
		return err
	}
	forged := d.path("forged")
	if err := copyRegularFiles(d.path("server"), forged); err != nil {
		return err
	}
	if err := rewriteRecipient(ctx, filepath.Join(forged, "teikyo.db")); err != nil {
		return err
	}
	refused, err := d.must(ctx, 7, aoi, "ledger", "verify", "--data", forged)
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "An insider", Did: "with full access to the disk changes the recipient's name in the record of the provision",
		Command: "teikyo ledger verify --data forged",
		Result:  "caught, exit code 7: " + firstText(refused, "error.message", "problem"),
	})
	return nil
}

func flipByte(path string, offset int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		return err
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], offset)
	return err
}

// rewriteRecipient edits the details of the provision's entry behind the
// program's back.
func rewriteRecipient(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer db.Close()
	result, err := db.ExecContext(ctx, `UPDATE ledger_details
		SET details = CAST(replace(CAST(details AS TEXT), 'Toto University', 'Another University') AS BLOB)
		WHERE idx = (SELECT idx FROM ledger_entries WHERE kind = 'provision.issued')`)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return models.Errorf(models.Internal, "the demo failed: %d records to tamper with, not 1", n)
	}
	return nil
}

// copyRegularFiles copies regular files with their modes.
func copyRegularFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), info.Mode().Perm())
		case !info.Mode().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("copy for the demo: %w", err)
		}
		return os.WriteFile(filepath.Join(to, name), content, info.Mode().Perm())
	})
}
