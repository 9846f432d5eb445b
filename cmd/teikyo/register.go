package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/models"
)

// registration is what somebody wants to register.
type registration struct {
	title, description, class, of, source, language string
	terms, schema, profile, from, to                string
	termsText, schemaText                           string
	items, fileItems                                []string
	subjects, records                               int64
	pq                                              bool
	transform                                       transformFlags
	transformed                                     *transformedBy
	files                                           []localFile
	args                                            []string
}

func (c *cli) datasetRegister() *cobra.Command {
	var r registration
	cmd := &cobra.Command{
		Use:   "register (--title T --class CLASS | --of ID) --item ITEM… FILE|DIR…",
		Short: "Register files as a new dataset, or as a new version of one",
		Long: `Register files as a new dataset, or with --of as a new version of one. A folder
brings all files below it, with their paths relative to it. After a break the
same command goes on where it stopped; files that are there already are not
sent again. A registered version never changes.`,
		Args: minArgs(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.prepare(cmd, args); err != nil {
				return err
			}
			api, err := c.api()
			if err != nil {
				return err
			}
			if err := c.transformFirst(cmd.Context(), &r); err != nil {
				return err
			}
			defer r.transformed.remove()
			return c.register(cmd.Context(), api, &r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.title, "title", "", "title of the dataset")
	f.StringVar(&r.description, "description", "", "what it is, in words")
	f.StringVar(&r.class, "class", "", "data class: "+models.JoinCodes(models.DataClasses()))
	f.StringSliceVar(&r.items, "item", nil, "item of every file, repeatable: "+models.JoinCodes(models.Items()))
	f.StringArrayVar(&r.fileItems, "file-item", nil, "PATH=ITEM[,ITEM…]: the items of one file, instead of --item")
	f.StringVar(&r.of, "of", "", "make a new version of this dataset")
	f.StringVar(&r.terms, "terms", "", "file with the terms of use that recipients get")
	f.StringVar(&r.schema, "schema", "", "datapackage.json that describes the tables")
	f.StringVar(&r.profile, "profile", "", "de-identification profile (none needs waivers)")
	f.StringVar(&r.transform.profile, "transform", "", "change the files first as this profile says (a name or a YAML file); only the result is sent")
	r.transform.register(cmd)
	f.BoolVar(&r.pq, "pq-required", false, "only post-quantum recipient keys may receive it")
	f.StringVar(&r.source, "source-kind", "", "where the data come from (hospital, insurer, …)")
	f.StringVar(&r.language, "language", "", "language of the data (ja, en, …)")
	f.StringVar(&r.from, "period-from", "", "first day or month that the data cover")
	f.StringVar(&r.to, "period-to", "", "last day or month that the data cover")
	f.Int64Var(&r.subjects, "subjects", 0, "number of people")
	f.Int64Var(&r.records, "records", 0, "number of records")
	return cmd
}

// prepare checks what can be checked here and reads the small files.
func (r *registration) prepare(cmd *cobra.Command, args []string) error {
	r.args = args
	switch {
	case r.of == "" && (r.title == "" || r.class == ""):
		return usageError(cmd, "a new dataset needs --title and --class; a new version needs --of")
	case r.of != "" && (r.title != "" || r.class != "" || r.description != "" || r.source != "" || r.language != ""):
		return usageError(cmd, "title, class, description, source kind and language belong to the dataset: leave them out with --of")
	case len(r.items) == 0 && len(r.fileItems) == 0:
		return usageError(cmd, "--item is missing; use one or more of "+models.JoinCodes(models.Items()))
	}
	var err error
	if r.termsText, err = readText(r.terms, "terms"); err != nil {
		return err
	}
	if r.schemaText, err = readText(r.schema, "schema"); err != nil {
		return err
	}
	if r.files, err = localFiles(args); err != nil {
		return err
	}
	return r.giveItems()
}

func readText(path, what string) (string, error) {
	if path == "" {
		return "", nil
	}
	const limit = 1 << 20
	text, err := readFileLimited(path, limit+1)
	if err != nil {
		return "", models.Wrap(models.Invalid, err, "the "+what+" cannot be read from "+path)
	}
	if len(text) > limit {
		return "", models.Errorf(models.TooLarge, "the %s in %s is larger than 1 MiB", what, path)
	}
	return string(text), nil
}

// giveItems gives every file its items, checked before the first byte is sent.
func (r *registration) giveItems() error {
	special := map[string][]string{}
	for _, text := range r.fileItems {
		path, items, found := strings.Cut(text, "=")
		if !found {
			return models.Errorf(models.Invalid, "--file-item %q is not of the form PATH=ITEM,ITEM", text)
		}
		special[path] = strings.Split(items, ",")
	}
	for i := range r.files {
		f := &r.files[i]
		f.items = r.items
		if items, found := special[f.path]; found {
			f.items = items
			delete(special, f.path)
		}
		codes := make([]models.Item, len(f.items))
		for i, item := range f.items {
			codes[i] = models.Item(item)
		}
		if err := models.CheckCodes("item", codes, models.Items()); err != nil {
			return err
		}
	}
	for path := range special {
		return models.Errorf(models.Invalid, "--file-item names %s, which is none of the files", path)
	}
	return nil
}

// register is the whole way: draft, files, register.
func (c *cli) register(ctx context.Context, api *client.Client, r *registration) error {
	note, key := c.openNote(api.Base, r)
	var answer json.RawMessage
	if err := r.draft(ctx, api, key, &answer); err != nil {
		return err
	}
	var draft struct {
		ID      string `json:"id"`
		Version int    `json:"version"`
		State   string `json:"state"`
	}
	if err := decodeNumbers(answer, &draft); err != nil {
		return err
	}
	if draft.State == string(models.VersionDraft) {
		if err := c.sendFiles(ctx, api, draft.ID, draft.Version, r.files); err != nil {
			return err
		}
		if err := api.Call(ctx, "POST", versionPath(draft.ID, draft.Version)+"/register", nil, &answer); err != nil {
			return err
		}
	}
	note.forget()
	return c.showVersion(ctx, api, answer)
}

func (r *registration) draft(ctx context.Context, api *client.Client, key string, answer *json.RawMessage) error {
	in := map[string]any{"idempotency_key": key}
	put := func(name string, value any, given bool) {
		if given {
			in[name] = value
		}
	}
	put("terms", r.termsText, r.termsText != "")
	put("schema", r.schemaText, r.schemaText != "")
	put("profile", r.profile, r.profile != "")
	if r.transformed != nil {
		in["transform"] = r.transformed.profile
	}
	put("pq_required", true, r.pq)
	put("period_from", r.from, r.from != "")
	put("period_to", r.to, r.to != "")
	put("subjects", r.subjects, r.subjects != 0)
	put("records", r.records, r.records != 0)
	if r.of != "" {
		return api.Call(ctx, "POST", "/api/v1/datasets/"+r.of+"/versions", in, answer)
	}
	in["title"], in["class"] = r.title, r.class
	put("description", r.description, r.description != "")
	put("source_kind", r.source, r.source != "")
	put("language", r.language, r.language != "")
	return api.Call(ctx, "POST", "/api/v1/datasets", in, answer)
}

// note remembers, in the user's configuration folder, the key of a registration
// that is not finished, so that the same command finds its draft again.
type note struct{ path string }

// openNote gives the note of this very command and its key. Where no note can
// be kept the registration works all the same, but does not resume.
func (c *cli) openNote(server string, r *registration) (note, string) {
	fresh := rand.Text()
	dir, err := c.configDir()
	if err != nil {
		return note{}, fresh
	}
	n := note{filepath.Join(dir, "registrations", r.fingerprint(server))}
	if key, err := readFileLimited(n.path, 100); err == nil && len(key) > 0 {
		return n, string(key)
	}
	err = errors.Join(os.MkdirAll(filepath.Dir(n.path), 0o700), os.WriteFile(n.path, []byte(fresh), 0o600))
	if err != nil {
		return note{}, fresh
	}
	return n, fresh
}

func (n note) forget() {
	if n.path != "" {
		_ = os.Remove(n.path) // a note that stays finds the finished version: nothing is done twice
	}
}

// fingerprint names the command: where to, what, and which files.
func (r *registration) fingerprint(server string) string {
	parts := []string{
		server, r.title, r.description, r.class, r.of, r.source, r.language, r.termsText, r.schemaText, r.profile, r.from, r.to,
		r.transform.profile, r.transform.domain,
	}
	for _, arg := range r.args {
		if path, err := filepath.Abs(arg); err == nil {
			arg = path
		}
		parts = append(parts, arg)
	}
	if r.pq {
		parts = append(parts, "pq")
	}
	text, err := json.Marshal([]any{parts, r.subjects, r.records})
	if err != nil {
		text = []byte(strings.Join(parts, "\x00"))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
