package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

var linkFields = []string{
	"id", "provision_id", "recipient_id", "bind", "state", "uses", "used", "expires_at", "created_by", "created_at", "revoked_by", "revoked_at",
}

func (c *cli) linkCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "link", Short: "Download links of a provision", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.linkCreate(), c.linkList(), c.linkShow(), c.linkRevoke())
	return cmd
}

func (c *cli) linkCreate() *cobra.Command {
	var ttl, bind string
	var uses int
	cmd := &cobra.Command{Use: "create PROVISION", Short: "Make a link; its address is shown once", Args: exactArgs("PROVISION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"provision_id": args[0]}
			if bind != "" {
				in["bind"] = bind
			}
			if cmd.Flags().Changed("uses") {
				in["uses"] = uses
			}
			if ttl != "" {
				life, ok := parseLife(ttl)
				if !ok {
					return usageError(cmd, "--ttl takes a time like 72h, 30m or 7d, not "+strconv.Quote(ttl))
				}
				in["expires_in"] = int64(life.Seconds())
			}
			answer, err := c.send(cmd, "POST", "/links", in)
			if err != nil {
				return err
			}
			return c.showLink(answer)
		}}
	f := cmd.Flags()
	f.StringVar(&ttl, "ttl", "", "how long it lasts (default 72h); never longer than the provision")
	f.IntVar(&uses, "uses", 3, "how often it can be redeemed; resuming a download does not count")
	f.StringVar(&bind, "bind", "", "who can redeem it: key (default), login or none")
	return cmd
}

// showLink prints the address alone on standard output, to be piped into a mail,
// and tells the rest on standard error.
func (c *cli) showLink(answer json.RawMessage) error {
	if c.json {
		return c.printRaw(answer)
	}
	var link map[string]any
	if err := decodeNumbers(answer, &link); err != nil {
		return err
	}
	c.say("link %s, bound to %s, %s uses, until %s", fieldText(link, "id"), fieldText(link, "bind"), fieldText(link, "uses"), fieldText(link, "expires_at"))
	_, err := fmt.Fprintln(c.out, fieldText(link, "url"))
	return err
}

func (c *cli) linkList() *cobra.Command {
	var provision string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List links", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "provision", provision)
			answer, err := c.send(cmd, "GET", "/links?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "provision_id", "bind", "state", "used", "expires_at")
		}}
	cmd.Flags().StringVar(&provision, "provision", "", "those of one provision")
	page.register(cmd)
	return cmd
}

func (c *cli) linkShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a link, without its address", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", "/links/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return c.show(answer, linkFields...)
		}}
}

func (c *cli) linkRevoke() *cobra.Command {
	return &cobra.Command{Use: "revoke ID", Short: "End a link and all that is fetched through it, within a second", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/links/"+url.PathEscape(args[0])+"/revoke", nil)
			if err != nil {
				return err
			}
			return c.show(answer, linkFields...)
		}}
}
