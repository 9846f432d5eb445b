package main

import (
	"github.com/spf13/cobra"

	"teikyo/models"
)

func (c *cli) noticeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notice", Short: "The public notice of what is provided and how", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.noticePublish(), c.noticeShow())
	return cmd
}

func (c *cli) noticePublish() *cobra.Command {
	var class, file string
	var items, methods []string
	cmd := &cobra.Command{Use: "publish", Short: "Publish the next version of the notice of a data class", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := map[string]any{"class": class, "items": items, "methods": methods}
			if file != "" {
				text, err := readFileLimited(file, 1<<20)
				if err != nil {
					return models.Wrap(models.Invalid, err, "the text cannot be read from "+file)
				}
				in["text"] = string(text)
			}
			answer, err := c.send(cmd, "POST", "/notices", in)
			if err != nil {
				return err
			}
			return c.show(answer, "id", "class", "version", "items", "methods", "published_at")
		}}
	f := cmd.Flags()
	f.StringVar(&class, "class", "", "data class: "+models.JoinCodes(models.DataClasses()))
	f.StringSliceVar(&items, "item", nil, "item: "+models.JoinCodes(models.Items()))
	f.StringSliceVar(&methods, "method", nil, "method: "+models.JoinCodes(models.Methods()))
	f.StringVar(&file, "file", "", "text of the notice (default: the standard text in English and Japanese)")
	requireFlags(cmd, "class", "item", "method")
	return cmd
}

func (c *cli) noticeShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the notices in force", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.send(cmd, "GET", "/notices/current", nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "class", "version", "items", "methods", "published_at")
		}}
}
