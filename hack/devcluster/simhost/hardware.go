// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Hardware is one simulated machine and its BMC: what never changes while the embedded cluster runs.
type Hardware struct {
	// Name is the machine's name; a machine that is not Spare is the Node of the same name.
	Name string `json:"name"`
	// Zone is the failure domain that the machine stands in.
	Zone string `json:"zone"`
	// SystemUUID is the SMBIOS system UUID, as the node reports it and the machine's own BMC serves it.
	SystemUUID string `json:"systemUUID"`
	// SystemID is the id of the machine's ComputerSystem in its BMC. Vendors give every machine the same one.
	SystemID string `json:"systemID"`
	// CPUs is the number of logical processors.
	CPUs int `json:"cpus"`
	// MemoryBytes is the size of the main memory in bytes.
	MemoryBytes int64 `json:"memoryBytes"`
	// BMCPort is the port of the BMC's Redfish service on 127.0.0.1; 0 lets the kernel choose (tests in process).
	BMCPort int `json:"bmcPort"`
	// InitialBootID is the boot id of the machine's first boot.
	InitialBootID string `json:"initialBootID"`
	// Processor is one of the Processor constants; empty means ProcessorSkylake.
	Processor string `json:"processor,omitempty"`
	// Spare marks a powered-off machine that is no Node.
	Spare bool `json:"spare,omitempty"`
}

// The processors that a machine may have, as libvirt names their models: each can do what those before it can.
const (
	ProcessorHaswell     = "Haswell-noTSX-IBRS"
	ProcessorSkylake     = "Skylake-Client-IBRS"
	ProcessorCascadeLake = "Cascadelake-Server"
)

// Processors lists them, the oldest first.
func Processors() []string {
	return []string{ProcessorHaswell, ProcessorSkylake, ProcessorCascadeLake}
}

// File is the hosts file.
type File struct {
	Hosts []Hardware `json:"hosts"`
}

// Credential is the login of one BMC. The credentials file maps host names to it.
type Credential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Validate reports every contradiction in the file that would make a simulation lie: missing or doubled names, UUIDs
// or ports.
func (f File) Validate() error {
	var errs []error
	names, uuids, ports := map[string]bool{}, map[string]string{}, map[int]string{}
	if len(f.Hosts) == 0 {
		errs = append(errs, errors.New("hosts: empty, describe at least one machine"))
	}
	for i, h := range f.Hosts {
		where := fmt.Sprintf("hosts[%d] %q", i, h.Name)
		if h.Name == "" || strings.ContainsAny(h.Name, "/ ") {
			errs = append(errs, fmt.Errorf("%s: name must be a node name", where))
		}
		if names[h.Name] {
			errs = append(errs, fmt.Errorf("%s: name is used twice", where))
		}
		names[h.Name] = true
		if err := h.validateProcessor(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
		if h.SystemUUID == "" || h.SystemID == "" || h.InitialBootID == "" {
			errs = append(errs, fmt.Errorf("%s: systemUUID, systemID and initialBootID must be set", where))
		}
		if other, ok := uuids[strings.ToLower(h.SystemUUID)]; ok {
			errs = append(errs, fmt.Errorf("%s: systemUUID is also that of %q", where, other))
		}
		uuids[strings.ToLower(h.SystemUUID)] = h.Name
		if h.BMCPort < 0 || h.BMCPort > 65535 {
			errs = append(errs, fmt.Errorf("%s: bmcPort %d is no port", where, h.BMCPort))
		}
		if other, ok := ports[h.BMCPort]; ok && h.BMCPort != 0 {
			errs = append(errs, fmt.Errorf("%s: bmcPort %d is also that of %q", where, h.BMCPort, other))
		}
		ports[h.BMCPort] = h.Name
	}
	return errors.Join(errs...)
}

func (h Hardware) validateProcessor() error {
	if h.Processor != "" && !slices.Contains(Processors(), h.Processor) {
		return fmt.Errorf("processor %q is not one of %q", h.Processor, Processors())
	}
	return nil
}

// ReadFile reads and validates a hosts file.
func ReadFile(path string) (File, error) {
	var f File
	if err := readJSON(path, &f); err != nil {
		return File{}, err
	}
	if err := f.Validate(); err != nil {
		return File{}, fmt.Errorf("hosts file %s: %w", path, err)
	}
	return f, nil
}

// WriteFile validates the file and writes it in one step, so that no reader sees half of it.
func WriteFile(path string, f File) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("hosts file %s: %w", path, err)
	}
	return writeJSON(path, f)
}

// ReadCredentials reads a credentials file: host name to login.
func ReadCredentials(path string) (map[string]Credential, error) {
	creds := map[string]Credential{}
	if err := readJSON(path, &creds); err != nil {
		return nil, err
	}
	return creds, nil
}

// WriteCredentials writes a credentials file that only its owner can read.
func WriteCredentials(path string, creds map[string]Credential) error {
	return writeJSON(path, creds)
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, what any) error {
	raw, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // CreateTemp's mode is 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // fails, rightly, once the file is renamed
	if _, err := tmp.Write(append(raw, '\n')); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
