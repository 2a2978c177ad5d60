# A node pool with NVIDIA cards in a GKE Standard cluster that exists.

terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

module "pool" {
  source   = "../pool"
  name     = var.name
  nodes    = var.nodes
  disk_gib = var.disk_gib
}

resource "google_container_node_pool" "gpu" {
  name           = var.name
  cluster        = var.cluster_id
  location       = var.location
  node_locations = var.zones

  autoscaling {
    total_min_node_count = var.nodes.min
    total_max_node_count = var.nodes.max
    location_policy      = "ANY"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type    = var.machine_type
    spot            = var.spot
    disk_size_gb    = var.disk_gib
    disk_type       = "pd-balanced"
    image_type      = "COS_CONTAINERD"
    service_account = var.service_account
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = module.pool.labels
    resource_labels = var.labels

    # GKE itself adds the taint of the pool module, installs the driver, and runs the device plugin.
    guest_accelerator {
      type  = var.accelerator.type
      count = var.accelerator.count

      gpu_driver_installation_config {
        gpu_driver_version = "DEFAULT"
      }
    }

    # Pods have workload identities; the node's own is not theirs to take.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    gvnic {
      enabled = true
    }
  }
}
