// Seven Kubernetes commands in one binary, which chooses by the name it was started under: they share
// nearly all of their code, so one link and one file take the place of seven.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"

	// What the commands' own mains register: JSON logs and the metrics of Go, clients and version.
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
// Only the chosen command may be made: their constructors register flags in the same global set.
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
		fmt.Fprintf(os.Stderr, "%s: started under no name of a Kubernetes command\n", name)
		return 2
	}
	return cli.Run(command)
}

func main() {
	os.Exit(run(filepath.Base(os.Args[0])))
}
