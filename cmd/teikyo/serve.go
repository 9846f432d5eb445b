package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/internal/clock"
	"teikyo/models"
)

func (c *cli) serveCommand() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: noArgs,
		Long: `Run the server. Everything it needs is made in the data folder on the first
start. It prints "ready http://HOST:PORT" on standard error when it serves, and
on a first start a one-time setup code. SIGTERM ends it: transfers under way may
go on for drain_timeout. See teikyo config show for all settings.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.serve(cmd.Context(), cfg.Config)
		},
	}
	settings.add(cmd, "data", "folder of everything the server makes (default teikyo-data)")
	settings.add(cmd, "listen", "HOST:PORT (default 127.0.0.1:8080)")
	settings.add(cmd, "public_url", "address under which people reach the server; links start with it")
	settings.add(cmd, "tls_cert", "PEM file of the certificate and its chain")
	settings.add(cmd, "tls_key", "PEM file of the certificate's key")
	settings.add(cmd, "admin_listen", "HOST:PORT for metrics and profiles (default: off)")
	settings.addFile(cmd)
	return cmd
}

func (c *cli) serve(ctx context.Context, cfg config.Config) error {
	level, err := cfg.LogLevel()
	if err != nil {
		return models.Wrap(models.Invalid, nil, err.Error())
	}
	sys := system{
		clock: clock.New(), rand: rand.Reader, err: c.err,
		log: slog.New(slog.NewJSONHandler(c.err, &slog.HandlerOptions{Level: level})),
	}
	a, err := newApp(ctx, cfg, sys)
	if err != nil {
		return err
	}
	defer a.close()
	return a.serve(ctx)
}

// settingFlags are flags that set settings of the server.
type settingFlags struct {
	names []string
	file  string
}

func (f *settingFlags) add(cmd *cobra.Command, name, help string) {
	f.names = append(f.names, name)
	cmd.Flags().String(flagName(name), "", help)
}

func (f *settingFlags) addFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", "", "YAML file with settings (TEIKYO_CONFIG)")
}

func flagName(setting string) string { return strings.ReplaceAll(setting, "_", "-") }

// load reads the settings: file, environment, flags.
func (f *settingFlags) load(cmd *cobra.Command) (config.Loaded, error) {
	src := config.Sources{File: f.file, Environ: os.Environ(), Flags: map[string]string{}}
	if src.File == "" {
		src.File = os.Getenv("TEIKYO_CONFIG")
	}
	for _, name := range f.names {
		if flag := cmd.Flags().Lookup(flagName(name)); flag.Changed {
			src.Flags[name] = flag.Value.String()
		}
	}
	loaded, err := config.Load(src)
	if err != nil {
		return loaded, models.Wrap(models.Invalid, nil, err.Error())
	}
	return loaded, nil
}
