// Package report holds what auditors, supervisors and recipients are shown:
// the register of provisions, the statement of one recipient, the accounting of
// disclosures, the review of access, and what waits for somebody. How a report
// is written stands in package report/sheet; rows come from the database a page
// at a time, so that a report of any length takes the same memory.
package report
