// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of this project.
const GroupName = "virt-scheduler.io"

// GroupVersion is the group and version of the types in this package.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// Names that are stable from the first release.
const (
	// TaintKey is the key of our NoSchedule taint; its value is the incident.
	TaintKey = GroupName + "/node-failure"
	// AnnotationConfirmFenced on a NodeFailure is the administrator's word that the machine is off; its value must be
	// "<nodeUID>/<bootID>" of the incident.
	AnnotationConfirmFenced = GroupName + "/confirm-fenced"
	// ConditionFencingReady is the type of the Node condition that says whether the node's BMC could be used now.
	ConditionFencingReady = "VirtSchedulerFencingReady"
)

// The conditions of a NodeFailure.
const (
	// ConditionUnfenced is True when the node came back with the same boot ID after a proof: an alarm.
	ConditionUnfenced = "Unfenced"
	// ConditionAlarm is True while something needs a person: identity mismatch, refused token, no proof to be had.
	ConditionAlarm = "Alarm"
)

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &NodeFailure{}, &NodeFailureList{}, &FailureWatcherConfiguration{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
