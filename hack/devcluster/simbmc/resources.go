// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simbmc

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// object is a JSON object of Redfish.
type object map[string]any

func link(to string) object { return object{"@odata.id": to} }

func links(base string, ids ...string) []object {
	out := make([]object, 0, len(ids))
	for _, id := range ids {
		out = append(out, link(base+"/"+id))
	}
	return out
}

// resource is what every Redfish resource has.
func resource(odataType, id, name string) object {
	return object{"@odata.type": "#" + odataType, "@odata.id": id, "Id": id[strings.LastIndex(id, "/")+1:], "Name": name}
}

func collection(kind, at string, ids ...string) object {
	body := resource(kind+"Collection."+kind+"Collection", at, kind+" Collection")
	delete(body, "Id") // collections have none
	body["Members"] = links(at, ids...)
	body["Members@odata.count"] = len(ids)
	return body
}

func (b *bmc) versions(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, object{"v1": rootPath})
}

func (b *bmc) root(w http.ResponseWriter, _ *http.Request) {
	body := resource("ServiceRoot.v1_17_0.ServiceRoot", rootPath, "Root Service")
	body["Id"] = "RootService"
	body["RedfishVersion"] = "1.20.0"
	body["Product"] = "Simulated BMC"
	body["UUID"] = derivedUUID("service", b.name)
	body["Systems"] = link(systemsPath)
	body["Chassis"] = link(chassisPath)
	body["Managers"] = link(managersPath)
	body["SessionService"] = link(servicePath)
	body["Links"] = object{"Sessions": link(sessionsPath)}
	writeJSON(w, http.StatusOK, body)
}

func (b *bmc) systems(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, collection("ComputerSystem", systemsPath, decoySystem, b.view().id))
}

func (b *bmc) system(w http.ResponseWriter, r *http.Request) {
	v := b.view()
	switch id := r.PathValue("id"); id {
	case decoySystem:
		body := systemResource(decoySystem, "PhysicalEnclosure", simhost.PowerOn, derivedUUID("decoy", b.name))
		body["Description"] = "A system of the BMC that is not the machine: always On."
		writeJSON(w, http.StatusOK, body)
	case v.id:
		body := systemResource(v.id, "Physical", v.power, v.uuid)
		body["HostName"] = v.served.Name
		body["ProcessorSummary"] = object{"LogicalProcessorCount": v.served.CPUs}
		body["MemorySummary"] = object{"TotalSystemMemoryGiB": float64(v.served.MemoryBytes) / (1 << 30)}
		body["Links"] = object{"Chassis": links(chassisPath, "1"), "ManagedBy": links(managersPath, "1")}
		writeJSON(w, http.StatusOK, body)
	default:
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no system "+id)
	}
}

func systemResource(id, systemType, power, uuid string) object {
	at := systemsPath + "/" + id
	body := resource("ComputerSystem.v1_23_0.ComputerSystem", at, "Simulated system")
	body["SystemType"] = systemType
	body["Manufacturer"] = "virt-scheduler simulation"
	body["PowerState"] = power
	body["Status"] = object{"State": "Enabled", "Health": "OK"}
	if uuid != "" {
		body["UUID"] = uuid
	}
	body["Actions"] = object{"#ComputerSystem.Reset": object{
		"target":                            at + resetSuffix,
		"ResetType@Redfish.AllowableValues": resetTypes,
	}}
	return body
}

func (b *bmc) chassisCollection(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, collection("Chassis", chassisPath, "1"))
}

func (b *bmc) chassis(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "1" {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no such chassis")
		return
	}
	v := b.view()
	body := resource("Chassis.v1_26_0.Chassis", chassisPath+"/1", "Simulated chassis")
	body["ChassisType"] = "RackMount"
	body["PowerState"] = v.power
	body["Links"] = object{"ComputerSystems": links(systemsPath, decoySystem, v.id), "ManagedBy": links(managersPath, "1")}
	writeJSON(w, http.StatusOK, body)
}

func (b *bmc) managerCollection(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, collection("Manager", managersPath, "1"))
}

func (b *bmc) manager(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "1" {
		redfishError(w, http.StatusNotFound, "ResourceMissingAtURI", "no such manager")
		return
	}
	body := resource("Manager.v1_20_0.Manager", managersPath+"/1", "Simulated BMC")
	body["ManagerType"] = "BMC"
	body["UUID"] = derivedUUID("manager", b.name)
	body["PowerState"] = simhost.PowerOn // standby power: the BMC runs while its machine is off
	body["Links"] = object{"ManagerForServers": links(systemsPath, b.view().id)}
	writeJSON(w, http.StatusOK, body)
}

// derivedUUID is a stable UUID (version 8) for what a BMC has besides the machine.
func derivedUUID(kind, name string) string {
	b := sha256.Sum256([]byte(kind + "/" + name))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// swapUUID writes a UUID with its first three fields in the other byte order; what is no UUID stays as it is.
func swapUUID(uuid string) string {
	f := strings.Split(uuid, "-")
	if len(f) != 5 {
		return uuid
	}
	for i := range 3 {
		swapped := ""
		for rest := f[i]; len(rest) >= 2; rest = rest[2:] {
			swapped = rest[:2] + swapped
		}
		f[i] = swapped
	}
	return strings.Join(f, "-")
}
