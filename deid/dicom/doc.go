// Package dicom checks and transforms DICOM files by the basic profile of
// DICOM PS3.15 Annex E (DOMAIN.md 3.5).
//
// Header and pixel data are read once, element by element, and written by a
// reader and writer of our own: pixel data must stay byte for byte, whatever
// their transfer syntax, and damaged files must end with a place and not with a
// crash. What the transformation would change is what the check reports.
//
// Pixels are never looked at. Kinds of images that are known for text burned
// into them are refused unless the file says that there is none.
//
// Its neighbours: deid/profile has the rules that go beyond the table;
// deid/change makes pseudonyms and UIDs; deid/scan gathers findings.
package dicom
