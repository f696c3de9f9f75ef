//go:build tools

// The node image's other programs, in the same module so that they share versions, and so compiled packages, with Kubernetes.
package main

import (
	_ "github.com/rancher/local-path-provisioner"
	_ "go.etcd.io/etcd/server/v3"
)
