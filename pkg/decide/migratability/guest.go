// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package migratability

import (
	"strings"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// Guest is what of a VM decides about its migrations. It is not changed once it is made.
type Guest struct {
	demands *fit.Demands
	// needs is the relation that the host it goes to must have to the one that it comes from.
	needs Relation
	// carried: the CPU that the guest has brought along from its first host, as labels, sorted; nil before its first
	// migration. From then on virt-controller asks for the same labels at every move.
	carried []label
}

// GuestOf returns what of a VM decides about its migrations. podSelector is the node selector of the launcher pod
// that is to be placed: for the target of a migration it says which CPU the guest brings along.
func GuestOf(vm *model.VM, demands *fit.Demands, podSelector map[string]string) *Guest {
	g := &Guest{demands: demands, needs: SameMaker}
	switch cpuModel(vm) {
	case model.CPUHostPassthrough:
		g.needs |= SameCPU
	case model.CPUHostModel, "":
		if g.carried = carriedBy(podSelector); g.carried == nil {
			g.needs |= HasModel
		}
	}
	return g
}

func cpuModel(vm *model.VM) string {
	if vm.Wishes == nil {
		return ""
	}
	return vm.Wishes.CPUModel
}

// carriedBy finds the CPU in the node selector of a target pod: a model to migrate to, and features. Features alone
// are wishes of the owner's.
func carriedBy(podSelector map[string]string) []label {
	var carried []label
	moved := false
	for key, value := range podSelector {
		isModel := strings.HasPrefix(key, fit.PrefixCPUModelMigration)
		moved = moved || isModel
		if isModel || strings.HasPrefix(key, fit.PrefixCPUFeature) {
			carried = append(carried, label{key, value})
		}
	}
	if !moved {
		return nil
	}
	return carried
}

// CanEverMove is false for VMs that KubeVirt never migrates, wherever they are: those with devices of the host's, or
// whose memory is encrypted.
func CanEverMove(w *model.Wishes) bool {
	return w == nil || len(w.Devices) == 0 && !w.SEV && !w.SEVES && !w.SEVSNP && !w.TDX && !w.SecureExecution
}

// Known is true when a host says enough of itself to tell where the guest could go from there.
func (g *Guest) Known(from *Host) bool {
	if g.needs&(HasModel|SameCPU) != 0 {
		return from.model != ""
	}
	return from.Published()&fit.ClassLabeller != 0
}

// suits says, of a host that the guest would go to, whatever host it comes from, whether it has what the guest needs.
// A class of labels that neither this host nor that one publishes is let pass, but for those in insist.
func (g *Guest) suits(from, to *Host, insist fit.Classes) bool {
	labels := to.Labels()
	for _, l := range g.carried {
		if got, ok := labels[l.key]; !ok || got != l.value {
			return false
		}
	}
	return g.demands.Judge(to.Host, from.Published()|insist).OK()
}

// CanMove says whether the guest, if it ran on a host of class from, could be migrated to a host of class to. related
// is what Relate says of the two. insist has the classes of labels that every host must publish.
func (g *Guest) CanMove(from, to *Host, related Relation, insist fit.Classes) bool {
	return related&g.needs == g.needs && g.suits(from, to, insist)
}
