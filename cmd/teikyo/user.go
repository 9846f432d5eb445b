package main

import (
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

// userFields are what a user command shows.
var userFields = []string{"id", "email", "name", "role", "recipient_id", "state", "confirmed", "invitation_expires_at"}

func (c *cli) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Accounts: invite, confirm, disable", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.userCreate(), c.userAccept(), c.userList(), c.userShow(), c.userRole(),
		c.userAct("confirm", "Confirm, as a second administrator, that an account is who it says"),
		c.userAct("disable", "Shut an account out at once"),
		c.userAct("enable", "Let a disabled account in again"),
		c.userPassword(),
		c.userAct("reset", "Replace an account's password with a new one-time invitation code", "code"))
	return cmd
}

func (c *cli) userCreate() *cobra.Command {
	in := map[string]*string{"email": new(string), "name": new(string), "role": new(string), "recipient_id": new(string)}
	cmd := &cobra.Command{
		Use: "create", Short: "Make an account; prints its one-time invitation code", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.callAndShow(cmd, "POST", "/api/v1/users", in, append([]string{"code"}, userFields...)...)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(in["email"], "email", "", "e-mail address of the person")
	flags.StringVar(in["name"], "name", "", "name of the person")
	flags.StringVar(in["role"], "role", "", "administrator, manager, auditor or recipient")
	flags.StringVar(in["recipient_id"], "recipient", "", "for role recipient: id of the organisation")
	requireFlags(cmd, "email", "name", "role")
	return cmd
}

func (c *cli) userAccept() *cobra.Command {
	var codeFile, passwordFile string
	cmd := &cobra.Command{
		Use: "accept", Short: "Accept an invitation: set your password", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			code, err := c.readSecret(codeFile, "invitation code")
			if err != nil {
				return err
			}
			password, err := c.readSecret(passwordFile, "password")
			if err != nil {
				return err
			}
			api, err := c.stranger()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			err = api.Call(cmd.Context(), "POST", "/api/v1/users/accept",
				map[string]any{"code": code, "password": password}, &answer)
			if err != nil {
				return err
			}
			c.say("the account is ready; sign in with teikyo login")
			return c.show(answer, userFields...)
		},
	}
	cmd.Flags().StringVar(&codeFile, "code-file", "", "file with the invitation code, - for standard input")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with your new password, - for standard input")
	requireFlags(cmd, "code-file", "password-file")
	return cmd
}

func (c *cli) userPassword() *cobra.Command {
	var presentFile, passwordFile string
	cmd := &cobra.Command{
		Use: "password", Short: "Replace your own password; every token and session of yours ends", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			present, err := c.readSecret(presentFile, "present password")
			if err != nil {
				return err
			}
			password, err := c.readSecret(passwordFile, "new password")
			if err != nil {
				return err
			}
			api, err := c.api()
			if err != nil {
				return err
			}
			err = api.Call(cmd.Context(), "POST", "/api/v1/sessions/current/password",
				map[string]any{"present": present, "password": password}, nil)
			if err == nil {
				c.say("the password was replaced; sign in again with teikyo login")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&presentFile, "present-file", "", "file with your present password, - for standard input")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with your new password, - for standard input")
	requireFlags(cmd, "present-file", "password-file")
	return cmd
}

func (c *cli) userList() *cobra.Command {
	return c.listCommand("/api/v1/users", "List accounts",
		"id", "email", "name", "role", "recipient_id", "state", "confirmed", "last_sign_in")
}

// listCommand is a list with keyset paging.
func (c *cli) listCommand(path, short string, fields ...string) *cobra.Command {
	var page pageFlags
	cmd := &cobra.Command{
		Use: "list", Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.api()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if err := api.Call(cmd.Context(), "GET", path+"?"+page.query().Encode(), nil, &answer); err != nil {
				return err
			}
			return c.table(answer, fields...)
		},
	}
	page.register(cmd)
	return cmd
}

func (c *cli) userShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an account", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, "GET", "/api/v1/users/"+url.PathEscape(args[0]), nil,
				append(userFields, "invited_by", "changed_by", "confirmed_by", "confirmed_at", "last_sign_in")...)
		},
	}
}

func (c *cli) userRole() *cobra.Command {
	var role, recipient string
	cmd := &cobra.Command{
		Use: "role ID", Short: "Give an account another role; it needs a confirmation again", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, "PATCH", "/api/v1/users/"+url.PathEscape(args[0]),
				map[string]any{"role": role, "recipient_id": recipient}, userFields...)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "administrator, manager, auditor or recipient")
	cmd.Flags().StringVar(&recipient, "recipient", "", "for role recipient: id of the organisation")
	requireFlags(cmd, "role")
	return cmd
}

// userAct is a command that needs nothing but the account; first are fields to
// show before the others.
func (c *cli) userAct(act, short string, first ...string) *cobra.Command {
	return &cobra.Command{
		Use: act + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, "POST", "/api/v1/users/"+url.PathEscape(args[0])+"/"+act, nil,
				append(first, userFields...)...)
		},
	}
}

// callAndShow calls the API as the signed-in user and shows fields of the answer.
func (c *cli) callAndShow(cmd *cobra.Command, method, path string, in any, fields ...string) error {
	api, err := c.api()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := api.Call(cmd.Context(), method, path, in, &answer); err != nil {
		return err
	}
	return c.show(answer, fields...)
}
