// Package legacy takes over an earlier register: recipients, agreements,
// datasets and provisions, from CSV files with a row each.
//
// Every row is taken over whole or not at all, and once: its reference in the
// earlier register is remembered. What is taken over is never proof of ours. A
// recipient still has to be approved, a dataset has no version, and a provision
// stands apart (models.ProvisionImported): no parcel, no manifest, no receipt,
// and nothing that works on a provision finds it.
package legacy
