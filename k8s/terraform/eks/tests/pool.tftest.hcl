mock_provider "aws" {
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }
}

variables {
  cluster_name  = "main"
  node_role_arn = "arn:aws:iam::111122223333:role/nodes"
  subnet_ids    = ["subnet-1", "subnet-2"]
}

run "gpus_for_triton_alone" {
  command = apply

  assert {
    condition     = one(aws_eks_node_group.gpu.taint).key == "nvidia.com/gpu" && one(aws_eks_node_group.gpu.taint).effect == "NO_SCHEDULE"
    error_message = "Anything may run on the GPU nodes."
  }
  assert {
    condition     = output.values.triton.placement.nodeSelector == aws_eks_node_group.gpu.labels
    error_message = "Triton is not led to the nodes."
  }
  assert {
    condition     = aws_launch_template.gpu.metadata_options[0].http_tokens == "required"
    error_message = "The node's identity can be taken without a token."
  }
  assert {
    condition     = aws_eks_node_group.gpu.capacity_type == "ON_DEMAND"
    error_message = "Nodes may be taken away unasked."
  }
}

run "none_while_nobody_asks" {
  command = plan
  variables {
    nodes = { min = 0, max = 4 }
    spot  = true
  }

  assert {
    condition     = aws_eks_node_group.gpu.scaling_config[0].min_size == 0 && aws_eks_node_group.gpu.capacity_type == "SPOT"
    error_message = "Bounds or capacity are not what was asked for."
  }
}

run "an_instance_without_a_card" {
  command = plan
  variables { instance_types = ["m7i.2xlarge"] }
  expect_failures = [var.instance_types]
}

run "a_card_of_another_make" {
  command = plan
  variables { instance_types = ["g4ad.xlarge"] }
  expect_failures = [var.instance_types]
}

run "no_role" {
  command = plan
  variables { node_role_arn = "nodes" }
  expect_failures = [var.node_role_arn]
}
