variable "cluster_id" {
  description = "Resource ID of the AKS cluster."
  type        = string

  validation {
    condition     = can(regex("/providers/Microsoft.ContainerService/managedClusters/[^/]+$", var.cluster_id))
    error_message = "cluster_id: the resource ID of a managed cluster."
  }
}

variable "subnet_id" {
  description = "Resource ID of the nodes' subnet; null for the cluster's own."
  type        = string
  default     = null
}

variable "zones" {
  description = "Zones of the nodes; not every zone has every card."
  type        = list(string)
  default     = null
}

variable "name" {
  description = "Name of the pool; see ../pool."
  type        = string
  default     = "gpu"
}

variable "nodes" {
  description = "Fewest and most nodes; see ../pool."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 10 }
}

variable "disk_gib" {
  description = "Disk of a node; see ../pool."
  type        = number
  default     = 128
}

variable "vm_size" {
  description = "Machine of a node, with an NVIDIA card; a T4 or A10 is enough for the cascade."
  type        = string
  default     = "Standard_NC8as_T4_v3"

  validation {
    condition     = can(regex("^Standard_N[CDV]", var.vm_size)) && !can(regex("_V620_|_v4$|MI300", var.vm_size))
    error_message = "vm_size: of the series NC, ND or NV with an NVIDIA card; NVv4, NVads V620 and MI300X have AMD's."
  }
}

variable "spot" {
  description = "Whether nodes may be taken away at 30 seconds' notice; what is under way then is lost."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
