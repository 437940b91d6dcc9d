package main

import (
	"context"
	"os"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func runAPIServer()         { exit(apiserver.NewAPIServerCommand()) }
func runControllerManager() { exit(controllermanager.NewControllerManagerCommand()) }
func runProxy()             { exit(proxy.NewProxyCommand()) }
func runScheduler()         { exit(scheduler.NewSchedulerCommand()) }
func runKubelet()           { exit(kubelet.NewKubeletCommand(context.Background())) }

func runKubectl() {
	// The verbosity holds while the command is built too (plugins, kuberc).
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}

func exit(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
