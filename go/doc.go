// Package skidbladnir keeps a service standing when the APIs it calls do not.
package skidbladnir

// Version of the package.
const Version = "0.1.0"
