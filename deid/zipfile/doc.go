// Package zipfile reads ZIP archives that strangers made: APPNOTE.TXT 6.3.10 of
// PKWARE, with nothing taken on trust. It reads the central directory itself and
// compares every entry with its local header, because programs that unpack
// archives differ in which of the two they believe, and what one program shows
// may be something else in another. Every byte of the file has to belong to an
// entry, a header or the directory.
//
// Problems are collected, not returned as errors: an archive with problems can
// still be listed, so that a report names all of them. Its neighbours: deid/excel
// and deid/archive use it.
package zipfile
