package main

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"teikyo/models"
)

func (c *cli) reportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "What auditors, supervisors and recipients are shown", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.reportProvisions("provisions"), c.reportStatement(), c.reportDisclosures(), c.reportAccess(), c.reportOpen())
	return cmd
}

// reportFlags are those that every report has.
type reportFlags struct{ from, to, format, lang, out string }

func (f *reportFlags) register(cmd *cobra.Command, period bool) {
	flags := cmd.Flags()
	if period {
		flags.StringVar(&f.from, "from", "", "first day (2026-04-01)")
		flags.StringVar(&f.to, "to", "", "last day (2027-03-31)")
	}
	flags.StringVar(&f.format, "format", "", "csv, json or html (default csv)")
	flags.StringVar(&f.lang, "lang", "", "language of html, en or ja (default: that of the terminal)")
	flags.StringVarP(&f.out, "output", "o", "", "file to write (default: standard output)")
}

// fetchReport gets a report with the query q of its own.
func (c *cli) fetchReport(cmd *cobra.Command, f *reportFlags, name string, q url.Values) error {
	format := f.format
	if format == "" {
		format = "csv"
		if c.json {
			format = "json"
		}
	}
	lang := f.lang
	if lang == "" && language() == "ja" {
		lang = "ja"
	}
	switch {
	case format != "csv" && format != "json" && format != "html":
		return usageError(cmd, "the format is csv, json or html")
	case lang != "" && lang != "en" && lang != "ja":
		return usageError(cmd, "the language is en or ja")
	}
	q.Set("format", format)
	setQuery(q, "lang", lang)
	setQuery(q, "from", f.from)
	setQuery(q, "to", f.to)
	return c.fetchDocument(cmd, "/reports/"+name+"?"+q.Encode(), "*/*", f.out)
}

// reportProvisions is there twice: teikyo report provisions and teikyo provision
// report.
func (c *cli) reportProvisions(use string) *cobra.Command {
	var f reportFlags
	var recipientID, dataset string
	var tests bool
	cmd := &cobra.Command{Use: use, Short: "Report the provisions of a period", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			setQuery(q, "recipient", recipientID)
			setQuery(q, "dataset", dataset)
			setFlag(q, "tests", tests)
			return c.fetchReport(cmd, &f, "provisions", q)
		}}
	f.register(cmd, true)
	cmd.Flags().StringVar(&recipientID, "recipient", "", "those for one recipient")
	cmd.Flags().StringVar(&dataset, "dataset", "", "those of one dataset")
	cmd.Flags().BoolVar(&tests, "tests", false, "the rehearsals, which are left out otherwise")
	return cmd
}

func (c *cli) reportStatement() *cobra.Command {
	var f reportFlags
	var tests bool
	cmd := &cobra.Command{Use: "statement [RECIPIENT]", Short: "What one recipient was given; people of a recipient get their own",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(cmd, "it takes one RECIPIENT")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if len(args) == 1 {
				q.Set("recipient", args[0])
			}
			setFlag(q, "tests", tests)
			return c.fetchReport(cmd, &f, "statement", q)
		}}
	f.register(cmd, true)
	cmd.Flags().BoolVar(&tests, "tests", false, "the rehearsals, which are left out otherwise")
	return cmd
}

func (c *cli) reportDisclosures() *cobra.Command {
	var f reportFlags
	var recipientID string
	var summarize, every bool
	cmd := &cobra.Command{Use: "disclosures", Short: "Accounting of disclosures (45 CFR 164.528); six years unless --from says else", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			setQuery(q, "recipient", recipientID)
			setFlag(q, "summarize", summarize)
			setFlag(q, "every", every)
			return c.fetchReport(cmd, &f, "disclosures", q)
		}}
	f.register(cmd, true)
	cmd.Flags().StringVar(&recipientID, "recipient", "", "those to one recipient")
	cmd.Flags().BoolVar(&summarize, "summarize", false, "repeated disclosures to one recipient for one purpose in one line")
	cmd.Flags().BoolVar(&every, "every", false, "also those that need no accounting, and why")
	return cmd
}

func (c *cli) reportAccess() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{Use: "access", Short: "Who had which role when, last sign-in, second factor, tokens", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.fetchReport(cmd, &f, "access", url.Values{}) }}
	f.register(cmd, true)
	return cmd
}

func (c *cli) reportOpen() *cobra.Command {
	var f reportFlags
	var within string
	cmd := &cobra.Command{Use: "open", Short: "What waits for somebody, or ends soon", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			days, err := wholeDays(within)
			if err != nil {
				return usageError(cmd, err.Error())
			}
			return c.fetchReport(cmd, &f, "open", url.Values{"within": {strconv.Itoa(days)}})
		}}
	f.register(cmd, false)
	cmd.Flags().StringVar(&within, "within", "30d", "days to look ahead")
	return cmd
}

// wholeDays reads a number of days, such as 30d or 30.
func wholeDays(text string) (int, error) {
	digits := text
	if n := len(text); n > 0 && text[n-1] == 'd' {
		digits = text[:n-1]
	}
	days, err := strconv.Atoi(digits)
	if err != nil || days < 1 || days > 3660 {
		return 0, models.Errorf(models.Invalid, "%q is no number of days; write 30d", text)
	}
	return days, nil
}

func setFlag(q url.Values, name string, on bool) {
	if on {
		q.Set(name, "true")
	}
}
