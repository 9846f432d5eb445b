// Package excel checks Excel workbooks (.xlsx; ECMA-376 part 1, SpreadsheetML).
// It looks at every part of the package, not only at what Excel shows: hidden and
// very hidden sheets, sheets that the workbook no longer lists, hidden rows and
// columns, comments and their authors, document properties, headers and footers,
// defined names, drawings, charts, and the copies that pivot tables keep of their
// source. Macros, embedded objects and links to other files are refused.
//
// It reads the parts itself, as a stream: a library that loads a workbook holds
// it in memory as a whole, or writes the large parts unsealed to a folder for
// temporary files, and shows only the parts that it has functions for (decision
// 0017). Workbooks are checked, not transformed.
package excel
