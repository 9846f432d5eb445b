package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/keys"
	"teikyo/models"
)

// maxPasses is how often rewrap goes over everything: what somebody changes
// during a pass is left for the next.
const maxPasses = 5

func (c *cli) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "The key-encryption key, on the server's machine", Args: noArgs, RunE: showHelp,
		Long: `The key-encryption key (KEK) wraps the key of every sealed file, the documents of
agreements and open challenges. It has versions: rotate makes a new one, rewrap
moves everything to it, destroy removes an old one that wraps nothing any more.
Payloads are never touched.`,
	}
	cmd.AddCommand(c.keyStatusCommand(), c.keyRotateCommand(), c.keyRewrapCommand(), c.keyDestroyCommand())
	return cmd
}

func (c *cli) keyStatusCommand() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "status", Short: "Show the versions of the key, and how much each wraps", Args: noArgs,
		Long: `Show the versions of the key-encryption key. Their states: prepared (made, not
used yet), current (wraps), old (unwraps what was wrapped before), closing (about
to be destroyed), destroyed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var answer json.RawMessage
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "GET", path: "/keys", out: &answer,
				alone: func(ctx context.Context, a *app) error {
					list, err := a.kekStates(ctx)
					if err != nil {
						return err
					}
					answer, err = jsonText(map[string]any{"items": list})
					return err
				},
			})
			if err != nil {
				return err
			}
			return c.table(answer, "id", "state", "provider", "check_value", "wraps", "nodes_without")
		},
	}
	settings.addData(cmd)
	return cmd
}

func (c *cli) keyRotateCommand() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make a new version, which wraps from now on", Args: noArgs,
		Long: `Make a new version of the key-encryption key, which wraps from now on. It is
durable and recorded in the ledger before it is used. When several nodes share the
database, each must have it first: the command waits for them, and says who does
not; run it again when the key is there. What is wrapped already stays under the
old version until "teikyo key rewrap". Copy the new key to where copies of the
keys are kept.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var done kekRotation
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "POST", path: "/keys/rotate", out: &done,
				alone: func(ctx context.Context, a *app) (err error) {
					done, err = a.rotateKEK(ctx)
					return err
				},
			})
			if err != nil {
				return err
			}
			return c.showValue(done, "id", "state", "provider", "check_value", "changed")
		},
	}
	settings.addData(cmd)
	return cmd
}

// showValue shows what this program made itself.
func (c *cli) showValue(v any, fields ...string) error {
	answer, err := jsonText(v)
	if err != nil {
		return err
	}
	return c.show(answer, fields...)
}

func (c *cli) keyRewrapCommand() *cobra.Command {
	settings, destroyOld := &settingFlags{}, false
	cmd := &cobra.Command{
		Use: "rewrap", Short: "Wrap everything under the current version", Args: noArgs,
		Long: `Wrap everything that is under other versions of the key-encryption key under the
current one. Uploads and provisions may go on meanwhile. It can be broken off at
any moment, also by a power cut, and is then run again. Exit 3: something is left;
exit 7: something does not open, and stays as it is.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			return c.rewrap(cmd.Context(), cfg.Config, destroyOld)
		},
	}
	settings.addData(cmd)
	cmd.Flags().BoolVar(&destroyOld, "destroy-old", false, "then destroy the old versions, each after its read test")
	return cmd
}

func (c *cli) keyDestroyCommand() *cobra.Command {
	settings := &settingFlags{}
	cmd := &cobra.Command{
		Use: "destroy VERSION", Short: "Destroy an old version that wraps nothing", Args: exactArgs("VERSION"),
		Long: `Destroy an old version of the key-encryption key, for good. It must wrap nothing
any more (teikyo key rewrap); before it goes, everything that is wrapped is opened,
and the beginnings of up to 100 payloads with the keys so found. Copies of the key
elsewhere are yours to destroy; copies of the database that are older need it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var done kekDestroyed
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "POST", path: "/keys/destroy", in: map[string]string{"id": args[0]}, out: &done,
				alone: func(ctx context.Context, a *app) (err error) {
					done, err = a.destroyKEK(ctx, args[0])
					return err
				},
			})
			if err != nil {
				return err
			}
			return c.showValue(done, "id", "state", "wraps_opened", "payloads_read")
		},
	}
	settings.addData(cmd)
	return cmd
}

// rewrapped is what the command did.
type rewrapped struct {
	KEK       string         `json:"kek"` // the version that wraps
	Changed   int64          `json:"changed"`
	Left      int64          `json:"left"`
	Failed    int64          `json:"failed"`
	Failures  []keys.Failure `json:"failures,omitempty"`
	Destroyed []kekDestroyed `json:"destroyed,omitempty"`
}

// keyServer is a server as the commands about keys see it: running, or in this
// process.
type keyServer struct {
	step    func(ctx context.Context, from keys.Cursor) (rewrapStep, error)
	states  func(ctx context.Context) ([]kekState, error)
	destroy func(ctx context.Context, id string) (kekDestroyed, error)
}

func (c *cli) rewrap(ctx context.Context, cfg config.Config, destroyOld bool) error {
	var done rewrapped
	alone := false
	work := func(ctx context.Context, s keyServer) (err error) {
		done, err = c.driveRewrap(ctx, s, destroyOld)
		return err
	}
	err := c.onServer(ctx, cfg, serverWork{
		method: "GET", path: "/keys", out: &struct{}{}, // is there one?
		alone: func(ctx context.Context, a *app) error {
			alone = true
			return work(ctx, keyServer{a.rewrapStep, a.kekStates, a.destroyKEK})
		},
	})
	if err == nil && !alone {
		err = work(ctx, remoteKeys(cfg.WithDefaults().Data))
	}
	if err != nil {
		return err
	}
	return c.showRewrapped(done)
}

// remoteKeys asks the server that runs on a data folder.
func remoteKeys(dir string) keyServer {
	call := func(ctx context.Context, method, path string, in, out any) error {
		running, err := callAdmin(ctx, dir, method, path, in, out)
		if err == nil && !running {
			return models.Errorf(models.Unavailable, "the server has stopped; run the command again, it goes on")
		}
		return err
	}
	return keyServer{
		step: func(ctx context.Context, from keys.Cursor) (step rewrapStep, err error) {
			err = call(ctx, "POST", "/keys/rewrap", from, &step)
			return step, err
		},
		states: func(ctx context.Context) ([]kekState, error) {
			var list struct {
				Items []kekState `json:"items"`
			}
			err := call(ctx, "GET", "/keys", nil, &list)
			return list.Items, err
		},
		destroy: func(ctx context.Context, id string) (done kekDestroyed, err error) {
			err = call(ctx, "POST", "/keys/destroy", map[string]string{"id": id}, &done)
			return done, err
		},
	}
}

// driveRewrap goes over everything until nothing is left, or nothing gets
// better.
func (c *cli) driveRewrap(ctx context.Context, s keyServer, destroyOld bool) (rewrapped, error) {
	var done rewrapped
	for range maxPasses {
		done.Failed, done.Failures = 0, nil
		changed := done.Changed
		for from := (keys.Cursor{}); !from.Done; {
			step, err := s.step(ctx, from)
			if err != nil {
				return done, err
			}
			done.Changed += step.Changed
			done.Failed += step.Failed
			done.Failures = append(done.Failures, step.Failures...)
			from, done.Left = step.Next, step.Left
			if _, terminal := terminalOf(c.err); terminal {
				c.say("%d wrapped anew", done.Changed)
			}
		}
		if done.Left == 0 || done.Changed == changed {
			break
		}
	}
	err := c.afterRewrap(ctx, s, &done, destroyOld)
	return done, err
}

// afterRewrap names the version that wraps, and destroys old ones if it is asked
// to and nothing stands in the way.
func (c *cli) afterRewrap(ctx context.Context, s keyServer, done *rewrapped, destroyOld bool) error {
	states, err := s.states(ctx)
	if err != nil {
		return err
	}
	for _, v := range states {
		if v.Current {
			done.KEK = v.ID
		}
		if !destroyOld || done.Left > 0 || v.State != string(models.KEKOld) && v.State != string(models.KEKClosing) {
			continue
		}
		gone, err := s.destroy(ctx, v.ID)
		if err != nil {
			return err
		}
		done.Destroyed = append(done.Destroyed, gone)
	}
	return nil
}

func (c *cli) showRewrapped(done rewrapped) error {
	if err := c.showValue(done, "kek", "changed", "left", "failed"); err != nil {
		return err
	}
	if !c.json {
		for _, f := range done.Failures {
			fmt.Fprintf(c.out, "failed       %s\n", f.Error)
		}
		for _, d := range done.Destroyed {
			fmt.Fprintf(c.out, "destroyed    %s (%d wraps opened, %d payloads read)\n", d.ID, d.Opened, d.Read)
		}
	}
	switch {
	case done.Failed > 0:
		return &exitWith{code: 7}
	case done.Left > 0:
		return &exitWith{code: 3}
	}
	return nil
}
