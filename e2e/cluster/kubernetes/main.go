// One program that is every part of a Kubernetes node that is written in Go.
//
// The name it is called by (a symbolic link) chooses the part. The parts share
// most of their packages, so one program compiles and links them once.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// parts maps the name of a program to its main function.
var parts = map[string]func(){
	"coredns":                 runCoreDNS,
	"etcd":                    runEtcd,
	"helm":                    runHelm,
	"kube-apiserver":          runAPIServer,
	"kube-controller-manager": runControllerManager,
	"kube-proxy":              runProxy,
	"kube-scheduler":          runScheduler,
	"kubectl":                 runKubectl,
	"kubelet":                 runKubelet,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := parts[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: not the name of a part of a Kubernetes node; call this program by a link named after one\n", name)
		os.Exit(64)
	}
	run()
}
