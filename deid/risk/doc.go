// Package risk measures how well people can be told apart in a table
// (DOMAIN.md 3.6): the sizes of the classes of records that share their
// quasi-identifiers, and from these k-anonymity, l-diversity, t-closeness and
// the prosecutor's, the journalist's and the marketer's risk as ARX defines
// them.
//
// It is fed with rows of values, whatever format they come from, and is exact at
// any size: tuples are hashed (128 bits, keyed anew for each run), counted in a
// table of bounded size, and what does not fit is sorted, sealed and merged.
//
// A value counts as it stands: an empty cell and a "*" are values like others.
// Whether a column is a quasi-identifier is a person's decision; the program
// measures what it was told.
package risk
