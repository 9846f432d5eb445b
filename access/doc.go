// Package access knows who somebody is and what they may do: accounts,
// sessions, API tokens and Can, the one authorisation function, which is the
// first line of every use case. What people do to data stands in the packages
// dataset, recipient and provision.
package access
