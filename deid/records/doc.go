// Package records reads files whose lines are records of fields without names:
// Japanese claims (UKE), DPC survey files and nursing-care claims.
//
// A Reader gives the lines as they stand in the file, byte for byte; a Text
// turns one field into UTF-8 and back. What is not changed is written again as
// the bytes that were read, so that characters which CP932 has and JIS has not
// (NEC and IBM extensions, 外字) survive.
//
// What the fields of a record mean is data: a Layout. Check and Transform walk a
// file by its Layout. The layouts themselves are in the packages deid/uke,
// deid/dpc and deid/kaigo; the generic tables with names of columns are read by
// deid/table.
package records
