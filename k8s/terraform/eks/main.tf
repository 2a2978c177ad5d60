# A managed node group with NVIDIA cards in an EKS cluster that exists.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
  }
}

module "pool" {
  source   = "../pool"
  name     = var.name
  nodes    = var.nodes
  disk_gib = var.disk_gib
}

resource "aws_launch_template" "gpu" {
  name_prefix = "${var.cluster_name}-${var.name}-"

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = var.disk_gib
      volume_type = "gp3"
      encrypted   = true
    }
  }

  # Pods have workload identities; the node's own is not theirs to take.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tag_specifications {
    resource_type = "instance"
    tags          = var.tags
  }
}

resource "aws_eks_node_group" "gpu" {
  cluster_name    = var.cluster_name
  node_group_name = var.name
  node_role_arn   = var.node_role_arn
  subnet_ids      = var.subnet_ids

  # With the driver inside; the device plugin is a chart of NVIDIA's.
  ami_type       = "AL2023_x86_64_NVIDIA"
  instance_types = var.instance_types
  capacity_type  = var.spot ? "SPOT" : "ON_DEMAND"
  labels         = module.pool.labels
  tags           = var.tags

  launch_template {
    id      = aws_launch_template.gpu.id
    version = aws_launch_template.gpu.latest_version
  }

  scaling_config {
    min_size     = var.nodes.min
    max_size     = var.nodes.max
    desired_size = max(1, var.nodes.min)
  }

  update_config {
    max_unavailable = 1
  }

  taint {
    key    = module.pool.taint.key
    value  = module.pool.taint.value
    effect = "NO_SCHEDULE"
  }

  lifecycle {
    # The autoscaler's.
    ignore_changes = [scaling_config[0].desired_size]
  }
}
