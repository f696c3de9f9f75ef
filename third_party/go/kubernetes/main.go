// Seven Kubernetes commands in one binary. The name under which it is started selects the command. They share
// nearly all of their code, so one binary is linked faster than seven, and is smaller.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"

	// The commands' own mains register these too: JSON logs, and the metrics of Go, clients and version.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// run executes the command called name and returns its exit code.
// It constructs only that command, because the constructors register flags in the same global set.
func run(name string) int {
	var command *cobra.Command
	switch name {
	case "kubeadm":
		if kubeadm.Run() != nil {
			return 1
		}
		return 0
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(context.Background())
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	case "kube-proxy":
		command = proxy.NewProxyCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	default:
		fmt.Fprintf(os.Stderr, "%s is not the name of a Kubernetes command\n", name)
		return 2
	}
	return cli.Run(command)
}

func main() {
	os.Exit(run(filepath.Base(os.Args[0])))
}
