// Package sheet writes a report row by row, however many rows there are: as CSV
// for spreadsheets, as JSON for programs, and as HTML for the printer. What the
// reports say is in package report.
package sheet
