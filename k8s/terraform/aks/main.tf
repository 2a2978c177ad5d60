# A node pool with NVIDIA cards in an AKS cluster that exists.

terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

locals {
  # AKS gives spot nodes this label and taint by itself; unsaid, each plan would take them away.
  spot   = { key = "kubernetes.azure.com/scalesetpriority", operator = "Equal", value = "spot", effect = "NoSchedule" }
  taints = [for one in [module.pool.taint, local.spot] : one if var.spot || one.key != local.spot.key]
}

module "pool" {
  source      = "../pool"
  name        = var.name
  nodes       = var.nodes
  disk_gib    = var.disk_gib
  tolerations = var.spot ? [local.spot] : []
}

resource "azurerm_kubernetes_cluster_node_pool" "gpu" {
  name                  = var.name
  kubernetes_cluster_id = var.cluster_id
  vm_size               = var.vm_size
  vnet_subnet_id        = var.subnet_id
  zones                 = var.zones

  auto_scaling_enabled = true
  min_count            = var.nodes.min
  max_count            = var.nodes.max

  # The driver is installed; the device plugin is a chart of NVIDIA's.
  gpu_driver      = "Install"
  os_type         = "Linux"
  os_disk_size_gb = var.disk_gib
  node_labels     = merge(module.pool.labels, var.spot ? { (local.spot.key) = local.spot.value } : {})
  node_taints     = [for one in local.taints : "${one.key}=${one.value}:${one.effect}"]
  tags            = var.tags

  priority        = var.spot ? "Spot" : "Regular"
  eviction_policy = var.spot ? "Delete" : null
  spot_max_price  = var.spot ? -1 : null

  temporary_name_for_rotation = "${substr(var.name, 0, 9)}tmp"

  dynamic "upgrade_settings" {
    # AKS refuses them of spot pools.
    for_each = var.spot ? [] : [1]
    content {
      max_surge = "1"
    }
  }

  lifecycle {
    # The autoscaler's.
    ignore_changes = [node_count]
  }
}
