variable "name" {
  description = "Name of the release."
  type        = string
  default     = "awarenet"

  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$", var.name))
    error_message = "name: 1 to 40 lower-case letters, digits and dashes."
  }
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "awarenet"
}

variable "chart" {
  description = "Chart: a folder, or oci://registry/charts/awarenet; null for the one of this checkout."
  type        = string
  default     = null
}

variable "chart_version" {
  description = "Version of a chart from a registry; null for a folder."
  type        = string
  default     = null

  validation {
    condition     = (var.chart_version != null) == startswith(coalesce(var.chart, "-"), "oci://")
    error_message = "chart_version: needed of a chart from a registry, and of no other."
  }
}

variable "values" {
  description = "Values of the chart, the later over the earlier; the first is a pool's output."
  type        = any
}
