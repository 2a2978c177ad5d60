variable "cluster_id" {
  description = "The GKE cluster: projects/PROJECT/locations/LOCATION/clusters/NAME."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/locations/[^/]+/clusters/[^/]+$", var.cluster_id))
    error_message = "cluster_id: projects/PROJECT/locations/LOCATION/clusters/NAME."
  }
}

variable "location" {
  description = "Region or zone of the cluster."
  type        = string
}

variable "zones" {
  description = "Zones of the nodes; not every zone has every card. Empty for those of the cluster."
  type        = list(string)
  default     = null
}

variable "service_account" {
  description = "E-mail address of the nodes' service account; not the project's default, which may too much."
  type        = string

  validation {
    condition     = endswith(var.service_account, ".gserviceaccount.com") && !endswith(var.service_account, "-compute@developer.gserviceaccount.com")
    error_message = "service_account: an address of its own, not the default of Compute Engine."
  }
}

variable "name" {
  description = "Name of the pool; see ../pool."
  type        = string
  default     = "gpu"
}

variable "nodes" {
  description = "Fewest and most nodes in all zones together; see ../pool."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 10 }
}

variable "disk_gib" {
  description = "Disk of a node; see ../pool."
  type        = number
  default     = 100
}

variable "machine_type" {
  description = "Machine of a node, which must take the accelerator."
  type        = string
  default     = "g2-standard-8"
}

variable "accelerator" {
  description = "Card of a node and how many; an L4 is enough for the cascade."
  type        = object({ type = string, count = number })
  default     = { type = "nvidia-l4", count = 1 }

  validation {
    condition     = startswith(var.accelerator.type, "nvidia-") && contains([1, 2, 4, 8, 16], var.accelerator.count)
    error_message = "accelerator: a type that begins with nvidia-, and 1, 2, 4, 8 or 16 of them."
  }
}

variable "spot" {
  description = "Whether nodes may be taken away at 30 seconds' notice; what is under way then is lost."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of everything, for the bill."
  type        = map(string)
  default     = {}
}
