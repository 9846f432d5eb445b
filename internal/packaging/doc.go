// Package packaging holds the tests of what stands around the program: the compose
// file, the systemd unit and the image.
package packaging
