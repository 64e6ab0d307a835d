// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// Ranges of the fields of VMTaintTolerationArgs, both ends included. A weight of 0 turns a taint off; a condition that
// shall not count is left out.
const (
	minTaintWeight, maxTaintWeight = 0, 100
	minToleration, maxToleration   = time.Second, 365 * 24 * time.Hour
)

var conditionStatuses = []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown}

// ValidateVMTaintTolerationArgs returns every fault of args as one error, or nil.
func ValidateVMTaintTolerationArgs(path *field.Path, args *config.VMTaintTolerationArgs) error {
	var faults field.ErrorList
	faults = append(faults, validateTaintKeys(path.Child("evacuationTaints"), args.EvacuationTaints)...)
	if t := args.ShortestToleration; t != nil && (*t < minToleration || *t > maxToleration) {
		faults = append(faults, field.Invalid(path.Child("shortestToleration"), t.String(),
			"must be in the range [1s, 8760h]; leave it out to accept only tolerations without tolerationSeconds"))
	}
	faults = append(faults, validateRange(path.Child("toleratedTaintWeight"), args.ToleratedTaintWeight, minTaintWeight, maxTaintWeight)...)
	faults = append(faults, validateRange(path.Child("preferNoScheduleTaintWeight"), args.PreferNoScheduleTaintWeight, minTaintWeight, maxTaintWeight)...)
	faults = append(faults, validateTaintKeys(path.Child("ignoredTaints"), args.IgnoredTaints)...)
	faults = append(faults, validateConditions(path.Child("adverseConditions"), args.AdverseConditions)...)
	return faults.ToAggregate()
}

// validateTaintKeys checks keys as the API does, and "domain/*".
func validateTaintKeys(path *field.Path, keys []string) field.ErrorList {
	var faults field.ErrorList
	seen := sets.New[string]()
	for i, key := range keys {
		if seen.Has(key) {
			faults = append(faults, field.Duplicate(path.Index(i), key))
			continue
		}
		seen.Insert(key)
		check := utilvalidation.IsQualifiedName
		name := key
		if domain, ok := strings.CutSuffix(key, "/*"); ok {
			check, name = utilvalidation.IsDNS1123Subdomain, domain
		}
		for _, fault := range check(name) {
			faults = append(faults, field.Invalid(path.Index(i), key, fault))
		}
	}
	return faults
}

func validateConditions(path *field.Path, conditions []config.AdverseCondition) field.ErrorList {
	type identity struct {
		corev1.NodeConditionType
		corev1.ConditionStatus
	}
	var faults field.ErrorList
	known, seen := sets.New(conditionStatuses...), sets.New[identity]()
	for i, c := range conditions {
		at := path.Index(i)
		id := identity{c.Type, c.Status}
		switch {
		case c.Type == corev1.NodeReady:
			faults = append(faults, field.Forbidden(at.Child("type"),
				"Ready is no adverse condition: Kubernetes taints nodes that are not ready, and taints are tolerated or not"))
		case seen.Has(id):
			faults = append(faults, field.Duplicate(at, string(c.Type)+"="+string(c.Status)))
		default:
			for _, fault := range utilvalidation.IsQualifiedName(string(c.Type)) {
				faults = append(faults, field.Invalid(at.Child("type"), c.Type, fault))
			}
		}
		seen.Insert(id)
		if !known.Has(c.Status) {
			faults = append(faults, field.NotSupported(at.Child("status"), c.Status, conditionStatuses))
		}
		faults = append(faults, validateRange(at.Child("weight"), c.Weight, minWeight, maxWeight)...)
	}
	return faults
}
