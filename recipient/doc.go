// Package recipient holds the use cases around who may receive data: apply,
// approve and end a recipient; agreements; keys, whose holders prove that they
// can open what is sealed to them. What is provided to them stands in package
// provision.
package recipient
