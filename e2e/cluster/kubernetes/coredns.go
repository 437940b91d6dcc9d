package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

func runCoreDNS() {
	// The order of the plugins in the chain. Unlike the released CoreDNS, the
	// template comes last: it answers what nobody else knew.
	dnsserver.Directives = []string{
		"reload", "health", "ready", "errors", "log",
		"cache", "hosts", "kubernetes", "template",
	}
	coremain.Run()
}
